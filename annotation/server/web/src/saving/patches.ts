/** From a change to what must be sent: for each structure that gained or lost voxels, its box and bytes. */

import { type Box, voxelAt } from "../geometry/grid.ts";
import type { LabelVolume } from "../paint/label-volume.ts";
import type { Change } from "../paint/recorder.ts";

export interface Patch {
  readonly value: number;
  readonly box: Box;
  readonly mask: Uint8Array<ArrayBuffer>;
}

export function patchesOf(volume: LabelVolume, change: Change): Patch[] {
  return change.values.map((value) => {
    const box = boxOfValue(volume, change, value);
    return { value, box, mask: volume.maskIn(value, box) as Uint8Array<ArrayBuffer> };
  });
}

function boxOfValue(volume: LabelVolume, change: Change, value: number): Box {
  if (change.values.length === 1) return change.box;
  const box: Box = [Infinity, Infinity, Infinity, 0, 0, 0];
  for (let at = 0; at < change.indices.length; at++) {
    if (change.before[at] !== value && change.after[at] !== value) continue;
    voxelAt(volume.dims, change.indices[at]).forEach((place, axis) => {
      box[axis] = Math.min(box[axis], place);
      box[axis + 3] = Math.max(box[axis + 3], place + 1);
    });
  }
  return box;
}
