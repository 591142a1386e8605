/** One slice of CT and labels as pixels. Pure: no canvas. */

import type { Box, Triple } from "../geometry/grid.ts";
import { strides } from "../geometry/grid.ts";
import type { Plane } from "../geometry/planes.ts";

export type Labels = Uint8Array | Uint16Array;

export interface Volume {
  readonly dims: Triple;
  readonly ct: Int16Array;
  readonly labels: Labels;
}

export interface Drawing {
  /** From int16 (as unsigned) to grey. */
  readonly grey: Uint8Array;
  /** Red, green, blue one after another for each label value. */
  readonly palette: Uint8Array;
  readonly active: number;
  /** 0 to 1: how strongly the active structure covers the CT; others cover less in proportion. */
  readonly opacity: number;
  readonly outlineOnly: boolean;
  readonly hidden: boolean;
}

/** Rectangle on the screen's pixel grid, half-open. */
export interface Rect {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

const OTHERS_SHARE = 0.3;
const OPAQUE = 0xff000000;

export const sliceRect = (plane: Plane, dims: Triple): Rect => ({ x0: 0, y0: 0, x1: dims[plane.u], y1: dims[plane.v] });

/** Where a box of voxels shows on a plane (one pixel more around it for outlines), or null if it misses the slice. */
export function rectOfBox(plane: Plane, dims: Triple, box: Box, slice: number): Rect | null {
  if (slice < box[plane.w] || slice >= box[plane.w + 3]) return null;
  const [width, height] = [dims[plane.u], dims[plane.v]];
  return {
    x0: Math.max(0, width - box[plane.u + 3] - 1),
    x1: Math.min(width, width - box[plane.u] + 1),
    y0: Math.max(0, height - box[plane.v + 3] - 1),
    y1: Math.min(height, height - box[plane.v] + 1),
  };
}

/** Alpha (0 to 255) of filling and outline, for the active structure and for the others. */
function alphas(drawing: Drawing): { fill: [number, number]; edge: [number, number] } {
  const fill = drawing.outlineOnly ? 0 : drawing.opacity * 255;
  return {
    fill: [Math.round(fill * OTHERS_SHARE), Math.round(fill)],
    edge: [drawing.outlineOnly ? 170 : Math.round(fill * OTHERS_SHARE) + 70, 255],
  };
}

/** Write the pixels of a rectangle of one slice (ABGR words, row by row over the whole slice's width). */
export function drawSlice(volume: Volume, plane: Plane, slice: number, drawing: Drawing, out: Uint32Array, rect: Rect): void {
  const { dims, ct, labels } = volume;
  const step = strides(dims);
  const [su, sv] = [step[plane.u], step[plane.v]];
  const [width, height] = [dims[plane.u], dims[plane.v]];
  const { grey, palette, active, hidden } = drawing;
  const alpha = alphas(drawing);
  for (let y = rect.y0; y < rect.y1; y++) {
    const v = height - 1 - y;
    let index = slice * step[plane.w] + v * sv + (width - 1 - rect.x0) * su;
    let at = y * width + rect.x0;
    for (let x = rect.x0; x < rect.x1; x++, index -= su, at++) {
      const g = grey[ct[index] & 65535];
      const label = labels[index];
      if (label === 0 || hidden) {
        out[at] = OPAQUE | (g << 16) | (g << 8) | g;
        continue;
      }
      const isEdge =
        (x > 0 && labels[index + su] !== label) || (x < width - 1 && labels[index - su] !== label) ||
        (v > 0 && labels[index - sv] !== label) || (v < height - 1 && labels[index + sv] !== label);
      const isActive = label === active ? 1 : 0;
      const a = isEdge ? alpha.edge[isActive] : alpha.fill[isActive];
      const b = 255 - a;
      const c = label * 3;
      out[at] = OPAQUE |
        (((palette[c + 2] * a + g * b) / 255) << 16) |
        (((palette[c + 1] * a + g * b) / 255) << 8) |
        ((palette[c] * a + g * b) / 255);
    }
  }
}

export function paletteOf(structures: readonly { value: number; colour: string }[]): Uint8Array {
  const highest = structures.reduce((most, { value }) => Math.max(most, value), 255);
  const palette = new Uint8Array((highest + 1) * 3).fill(200);
  for (const { value, colour } of structures) {
    for (let part = 0; part < 3; part++) {
      palette[value * 3 + part] = Number.parseInt(colour.slice(1 + 2 * part, 3 + 2 * part), 16);
    }
  }
  return palette;
}
