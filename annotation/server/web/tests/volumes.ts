/** Small volumes for the tests. */

import { type Triple, voxelCount } from "../src/geometry/grid.ts";
import { LabelVolume } from "../src/paint/label-volume.ts";

export function emptyVolume(dims: Triple = [12, 10, 8], spacingMm: Triple = [1, 1, 1]): LabelVolume {
  return new LabelVolume(dims, spacingMm, new Uint8Array(voxelCount(dims)));
}

export const waterCt = (dims: Triple, hu = 0): Int16Array => new Int16Array(voxelCount(dims)).fill(hu);

export function countOf(volume: LabelVolume, value: number): number {
  let count = 0;
  for (const label of volume.labels) if (label === value) count++;
  return count;
}

/** Voxels of a value as "i,j,k", sorted. */
export function voxelsOf(volume: LabelVolume, value: number): string[] {
  const found: string[] = [];
  const [ni, nj] = volume.dims;
  volume.labels.forEach((label: number, index: number) => {
    if (label !== value) return;
    const i = index % ni;
    const j = ((index - i) / ni) % nj;
    found.push([i, j, Math.floor(index / (ni * nj))].join(","));
  });
  return found.sort();
}
