/** One structure on one slice as a small 2-D mask, cut to a rectangle. */

import { type Box, strides, type Triple } from "../geometry/grid.ts";
import type { Plane } from "../geometry/planes.ts";
import type { LabelVolume } from "./label-volume.ts";

export interface Window2d {
  readonly u0: number;
  readonly v0: number;
  readonly width: number;
  readonly height: number;
}

export function windowOf(plane: Plane, dims: Triple, box: Box, margin: number): Window2d {
  const u0 = Math.max(0, box[plane.u] - margin);
  const v0 = Math.max(0, box[plane.v] - margin);
  const u1 = Math.min(dims[plane.u], box[plane.u + 3] + margin);
  const v1 = Math.min(dims[plane.v], box[plane.v + 3] + margin);
  return { u0, v0, width: u1 - u0, height: v1 - v0 };
}

export function planarIndex(volume: LabelVolume, plane: Plane, slice: number, cut: Window2d, at: number): number {
  const step = strides(volume.dims);
  const x = at % cut.width;
  const y = (at - x) / cut.width;
  return slice * step[plane.w] + (cut.u0 + x) * step[plane.u] + (cut.v0 + y) * step[plane.v];
}

export function planarMask(volume: LabelVolume, plane: Plane, slice: number, cut: Window2d, value: number): Uint8Array {
  const mask = new Uint8Array(cut.width * cut.height);
  for (let at = 0; at < mask.length; at++) {
    mask[at] = volume.labels[planarIndex(volume, plane, slice, cut, at)] === value ? 1 : 0;
  }
  return mask;
}
