/** The three planes, as radiologists look at them: the patient's right and front are on the left of the screen. */

import type { Triple } from "./grid.ts";

export type PlaneName = "axial" | "coronal" | "sagittal";

export interface Plane {
  readonly name: PlaneName;
  /** Axis across the screen, down the screen and through it. Both on-screen axes run against the voxels. */
  readonly u: 0 | 1 | 2;
  readonly v: 0 | 1 | 2;
  readonly w: 0 | 1 | 2;
  /** Letters at the left, right, top and bottom edge of the screen. */
  readonly edges: readonly [string, string, string, string];
}

export const PLANES: Readonly<Record<PlaneName, Plane>> = {
  axial: { name: "axial", u: 0, v: 1, w: 2, edges: ["R", "L", "A", "P"] },
  coronal: { name: "coronal", u: 0, v: 2, w: 1, edges: ["R", "L", "S", "I"] },
  sagittal: { name: "sagittal", u: 1, v: 2, w: 0, edges: ["A", "P", "S", "I"] },
};

export const PLANE_ORDER: readonly PlaneName[] = ["axial", "coronal", "sagittal"];

/** Where a fitted, zoomed and panned plane lies on its canvas, in canvas pixels. */
export interface Placement {
  readonly pixelsPerMm: number;
  readonly left: number;
  readonly top: number;
}

export interface Look {
  zoom: number;
  /** Shift of the picture's middle from the canvas's middle, in mm on screen. */
  panMm: [number, number];
}

export interface SliceShape {
  readonly dims: Triple;
  readonly spacingMm: Triple;
}

export function placementOf(plane: Plane, shape: SliceShape, look: Look, width: number, height: number): Placement {
  const widthMm = shape.dims[plane.u] * shape.spacingMm[plane.u];
  const heightMm = shape.dims[plane.v] * shape.spacingMm[plane.v];
  const pixelsPerMm = Math.min(width / widthMm, height / heightMm) * look.zoom;
  return {
    pixelsPerMm,
    left: width / 2 + (look.panMm[0] - widthMm / 2) * pixelsPerMm,
    top: height / 2 + (look.panMm[1] - heightMm / 2) * pixelsPerMm,
  };
}

/** The voxel under a canvas point, on the slice that `at` lies on; may be outside the volume. */
export function voxelUnder(plane: Plane, shape: SliceShape, placed: Placement, x: number, y: number, at: Triple): Triple {
  const voxel: Triple = [...at];
  const across = (x - placed.left) / (shape.spacingMm[plane.u] * placed.pixelsPerMm);
  const down = (y - placed.top) / (shape.spacingMm[plane.v] * placed.pixelsPerMm);
  voxel[plane.u] = shape.dims[plane.u] - 1 - Math.floor(across);
  voxel[plane.v] = shape.dims[plane.v] - 1 - Math.floor(down);
  return voxel;
}

/** The canvas point at the middle of a voxel. */
export function pointOf(plane: Plane, shape: SliceShape, placed: Placement, voxel: Triple): [number, number] {
  const across = (shape.dims[plane.u] - 0.5 - voxel[plane.u]) * shape.spacingMm[plane.u];
  const down = (shape.dims[plane.v] - 0.5 - voxel[plane.v]) * shape.spacingMm[plane.v];
  return [placed.left + across * placed.pixelsPerMm, placed.top + down * placed.pixelsPerMm];
}

/** Zoom about a canvas point: what is under the pointer stays under it. */
export function zoomedAbout(look: Look, placed: Placement, factor: number, x: number, y: number, width: number, height: number): Look {
  const zoom = Math.max(0.5, Math.min(24, look.zoom * factor));
  const change = zoom / look.zoom;
  const before = placed.pixelsPerMm;
  const toMiddle = [x - width / 2, y - height / 2];
  const pan = look.panMm.map((mm, axis) => mm - (toMiddle[axis] / before) * (1 - 1 / change)) as [number, number];
  return { zoom, panMm: pan };
}
