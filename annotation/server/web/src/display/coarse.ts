/** A coarse copy of the labels for the 3-D tile: every voxel of about 3 mm takes the label at its middle. */

import type { Grid, Triple } from "../geometry/grid.ts";
import type { Labels } from "./slice.ts";

export interface CoarseLabels {
  readonly dims: Triple;
  readonly affine: number[];
  readonly spacingMm: Triple;
  readonly labels: Uint8Array | Uint16Array;
}

export function coarseCopy(grid: Grid, labels: Labels, spacingMm = 3): CoarseLabels {
  const steps = grid.spacingMm.map((fine) => Math.max(1, Math.round(spacingMm / fine))) as Triple;
  const dims = grid.dims.map((size, axis) => Math.max(1, Math.floor(size / steps[axis]))) as Triple;
  const shift = steps.map((step) => Math.floor(step / 2));
  const length = dims[0] * dims[1] * dims[2];
  const coarse = labels instanceof Uint16Array ? new Uint16Array(length) : new Uint8Array(length);
  let at = 0;
  for (let k = 0; k < dims[2]; k++) {
    for (let j = 0; j < dims[1]; j++) {
      const row = grid.dims[0] * (shift[1] + j * steps[1] + grid.dims[1] * (shift[2] + k * steps[2]));
      for (let i = 0; i < dims[0]; i++) coarse[at++] = labels[row + shift[0] + i * steps[0]];
    }
  }
  return { dims, labels: coarse, affine: scaled(grid.affine, steps, shift), spacingMm: steps.map((step, axis) => step * grid.spacingMm[axis]) as Triple };
}

/** The affine of every step-th voxel, the first of them `shift` from the corner. */
function scaled(affine: readonly number[], steps: Triple, shift: readonly number[]): number[] {
  const out = [...affine];
  for (const row of [0, 4, 8]) {
    for (let axis = 0; axis < 3; axis++) {
      out[row + axis] = affine[row + axis] * steps[axis];
      out[row + 3] += affine[row + axis] * shift[axis];
    }
  }
  return out;
}
