/** Fill the slices between drawn ones: the shape goes from one to the other by signed distance. */

import type { Box } from "../geometry/grid.ts";
import type { Plane } from "../geometry/planes.ts";
import { signedDistanceMm } from "./distance.ts";
import type { LabelVolume } from "./label-volume.ts";
import { planarIndex, planarMask, windowOf } from "./planar.ts";
import { type Change, Recorder } from "./recorder.ts";

/** The slices of a plane that hold the structure, in order. */
export function drawnSlices(volume: LabelVolume, plane: Plane, box: Box, value: number): number[] {
  const cut = windowOf(plane, volume.dims, box, 0);
  const drawn: number[] = [];
  for (let slice = box[plane.w]; slice < box[plane.w + 3]; slice++) {
    if (planarMask(volume, plane, slice, cut, value).includes(1)) drawn.push(slice);
  }
  return drawn;
}

/** Fill every gap between drawn slices; slices that hold anything of the structure stay as they are. */
export function fillBetween(volume: LabelVolume, plane: Plane, value: number, within: Box): Change | null {
  const box = volume.boxOf(value, within);
  if (!box) return null;
  const cut = windowOf(plane, volume.dims, box, 2);
  const spacing: [number, number] = [volume.spacingMm[plane.u], volume.spacingMm[plane.v]];
  const distanceAt = (slice: number): Float32Array =>
    signedDistanceMm(planarMask(volume, plane, slice, cut, value), cut.width, cut.height, spacing);
  const recorder = new Recorder(volume);
  const drawn = drawnSlices(volume, plane, box, value);
  for (let pair = 1; pair < drawn.length; pair++) {
    const [low, high] = [drawn[pair - 1], drawn[pair]];
    if (high - low < 2) continue;
    const [first, second] = [distanceAt(low), distanceAt(high)];
    for (let slice = low + 1; slice < high; slice++) {
      const share = (slice - low) / (high - low);
      for (let at = 0; at < first.length; at++) {
        if (first[at] * (1 - share) + second[at] * share < 0) {
          recorder.draw(planarIndex(volume, plane, slice, cut, at), value);
        }
      }
    }
  }
  return recorder.finish();
}
