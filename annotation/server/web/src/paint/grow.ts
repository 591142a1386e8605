/** Grow the structure from a seed over voxels of like density, not further than a limit. */

import { indexOf, type Triple, voxelAt } from "../geometry/grid.ts";
import type { LabelVolume } from "./label-volume.ts";
import type { HuRange } from "./pencil.ts";
import { type Change, Recorder } from "./recorder.ts";

export interface GrowOptions {
  readonly value: number;
  readonly hu: HuRange;
  /** Nothing farther than this from the seed is taken. */
  readonly reachMm: number;
  readonly mostVoxels: number;
}

export interface Grown {
  readonly change: Change | null;
  /** Whether the limit on voxels ended it: it has leaked, most likely. */
  readonly hitLimit: boolean;
}

/** The range of density around a seed: mean and spread of its 3×3×3 neighbourhood, at least 15 HU each way. */
export function rangeAround(ct: Int16Array, dims: Triple, seed: Triple, spreads = 2.5): HuRange {
  const values: number[] = [];
  for (let k = Math.max(0, seed[2] - 1); k <= Math.min(dims[2] - 1, seed[2] + 1); k++) {
    for (let j = Math.max(0, seed[1] - 1); j <= Math.min(dims[1] - 1, seed[1] + 1); j++) {
      for (let i = Math.max(0, seed[0] - 1); i <= Math.min(dims[0] - 1, seed[0] + 1); i++) {
        values.push(ct[indexOf(dims, [i, j, k])]);
      }
    }
  }
  const mean = values.reduce((sum, hu) => sum + hu, 0) / values.length;
  const variance = values.reduce((sum, hu) => sum + (hu - mean) ** 2, 0) / values.length;
  const half = Math.max(15, spreads * Math.sqrt(variance));
  return { lowHu: Math.round(mean - half), highHu: Math.round(mean + half) };
}

/** Goes over faces, nearest first. Voxels that are the structure already are walked through, locked ones never. */
export function growFromSeed(volume: LabelVolume, ct: Int16Array, seed: Triple, options: GrowOptions): Grown {
  const { dims, spacingMm, labels, locked } = volume;
  const seen = new Set<number>();
  const recorder = new Recorder(volume);
  const reach2 = options.reachMm ** 2;
  const { value, hu } = options;
  const isNear = (i: number, j: number, k: number): boolean =>
    ((i - seed[0]) * spacingMm[0]) ** 2 + ((j - seed[1]) * spacingMm[1]) ** 2 + ((k - seed[2]) * spacingMm[2]) ** 2 <= reach2;
  let front: number[] = [];
  let next: number[] = [];
  const visit = (index: number, i: number, j: number, k: number): void => {
    if (ct[index] < hu.lowHu || ct[index] > hu.highHu || seen.has(index)) return;
    const label = labels[index];
    if ((label !== value && locked[label]) || !isNear(i, j, k)) return;
    seen.add(index);
    next.push(index);
  };
  visit(indexOf(dims, seed), ...seed);
  while (next.length > 0 && seen.size <= options.mostVoxels) {
    [front, next] = [next, []];
    for (const index of front) {
      recorder.draw(index, value);
      visitNeighbours(dims, index, visit);
    }
  }
  return { change: recorder.finish(), hitLimit: seen.size > options.mostVoxels };
}

function visitNeighbours(dims: Triple, index: number, visit: (index: number, i: number, j: number, k: number) => void): void {
  const [ni, nj, nk] = dims;
  const [i, j, k] = voxelAt(dims, index);
  if (i > 0) visit(index - 1, i - 1, j, k);
  if (i < ni - 1) visit(index + 1, i + 1, j, k);
  if (j > 0) visit(index - ni, i, j - 1, k);
  if (j < nj - 1) visit(index + ni, i, j + 1, k);
  if (k > 0) visit(index - ni * nj, i, j, k - 1);
  if (k < nk - 1) visit(index + ni * nj, i, j, k + 1);
}
