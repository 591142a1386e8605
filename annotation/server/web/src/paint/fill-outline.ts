/** Fill what a closed outline of the structure surrounds on one slice. */

import { type Box, wholeBox } from "../geometry/grid.ts";
import type { Plane } from "../geometry/planes.ts";
import type { LabelVolume } from "./label-volume.ts";
import { planarIndex, planarMask, windowOf } from "./planar.ts";
import { type Change, Recorder } from "./recorder.ts";

/** The box of one slice of the volume. */
export function sliceBox(volume: LabelVolume, plane: Plane, slice: number): Box {
  const box = wholeBox(volume.dims);
  box[plane.w] = slice;
  box[plane.w + 3] = slice + 1;
  return box;
}

/** Fill on `slices`; what the outline does not close stays open. Locked structures inside stay too. */
export function fillOutline(volume: LabelVolume, plane: Plane, slices: readonly number[], value: number): Change | null {
  const recorder = new Recorder(volume);
  for (const slice of slices) {
    const box = volume.boxOf(value, sliceBox(volume, plane, slice));
    if (!box) continue;
    const cut = windowOf(plane, volume.dims, box, 0);
    const mask = planarMask(volume, plane, slice, cut, value);
    const outside = reachedFromBorder(mask, cut.width, cut.height);
    for (let at = 0; at < mask.length; at++) {
      if (!mask[at] && !outside[at]) recorder.draw(planarIndex(volume, plane, slice, cut, at), value);
    }
  }
  return recorder.finish();
}

/** 1 for every free pixel that is joined to the rectangle's border over free pixels (4 neighbours). */
export function reachedFromBorder(mask: Uint8Array, width: number, height: number): Uint8Array {
  const reached = new Uint8Array(mask.length);
  const queue: number[] = [];
  const visit = (at: number): void => {
    if (mask[at] || reached[at]) return;
    reached[at] = 1;
    queue.push(at);
  };
  for (let x = 0; x < width; x++) [x, x + (height - 1) * width].forEach(visit);
  for (let y = 0; y < height; y++) [y * width, y * width + width - 1].forEach(visit);
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    const x = at % width;
    if (x > 0) visit(at - 1);
    if (x < width - 1) visit(at + 1);
    if (at >= width) visit(at - width);
    if (at < mask.length - width) visit(at + width);
  }
  return reached;
}

export const slicesAround = (slice: number, count: number, total: number): number[] => {
  const half = (count - 1) >> 1;
  const low = Math.max(0, slice - half);
  const high = Math.min(total - 1, slice + half);
  return Array.from({ length: high - low + 1 }, (_, at) => low + at);
};

