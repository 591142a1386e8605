/** The labels that are painted on: one value a voxel, with what lies beneath the structure on top. */

import { type Box, forEachRow, type Triple, voxelAt, voxelCount } from "../geometry/grid.ts";
import type { Labels } from "../display/slice.ts";

export class LabelVolume {
  readonly dims: Triple;
  readonly spacingMm: Triple;
  readonly labels: Labels;
  /** 1 for each value that no tool may overwrite. */
  readonly locked = new Uint8Array(65536);
  /** Masks may overlap: the value hidden under the one shown, by voxel. Rare, so sparse. */
  readonly beneath = new Map<number, number>();

  constructor(dims: Triple, spacingMm: Triple, labels: Labels) {
    if (labels.length !== voxelCount(dims)) {
      throw new Error(`labels have ${labels.length} voxels, the case has ${voxelCount(dims)}`);
    }
    this.dims = dims;
    this.spacingMm = spacingMm;
    this.labels = labels;
  }

  /** Whether a tool that draws `value` may change this voxel. */
  mayDraw(index: number, value: number): boolean {
    const now = this.labels[index];
    return now !== value && this.locked[now] === 0;
  }

  /** Lay a mask crop on top without making a change to undo: what the server knows of this structure. */
  layMask(value: number, box: Box, mask: Uint8Array): void {
    this.clear(value);
    let at = 0;
    forEachRow(this.dims, box, (start, length) => {
      for (let index = start; index < start + length; index++, at++) {
        if (!mask[at]) continue;
        const now = this.labels[index];
        if (now !== 0 && now !== value) this.beneath.set(index, now);
        this.labels[index] = value;
      }
    });
  }

  /** Take every voxel of a value away; what lay beneath shows again. */
  clear(value: number): void {
    const { labels } = this;
    for (let index = labels.indexOf(value); index >= 0; index = labels.indexOf(value, index + 1)) {
      labels[index] = this.beneath.get(index) ?? 0;
      this.beneath.delete(index);
    }
    for (const [index, hidden] of this.beneath) if (hidden === value) this.beneath.delete(index);
  }

  /** 1 where the structure is, inside a box, i fastest. */
  maskIn(value: number, box: Box): Uint8Array {
    const mask = new Uint8Array((box[3] - box[0]) * (box[4] - box[1]) * (box[5] - box[2]));
    const { labels, beneath } = this;
    const mayHide = beneath.size > 0;
    let at = 0;
    forEachRow(this.dims, box, (start, length) => {
      for (let index = start; index < start + length; index++, at++) {
        if (labels[index] === value || (mayHide && beneath.get(index) === value)) mask[at] = 1;
      }
    });
    return mask;
  }

  /** The smallest box around a value's voxels, looked for inside `within`; null if there are none. */
  boxOf(value: number, within: Box): Box | null {
    const { labels, dims } = this;
    let box: Box | null = null;
    forEachRow(dims, within, (start, length) => {
      let first = -1;
      let last = -1;
      for (let index = start; index < start + length; index++) {
        if (labels[index] !== value) continue;
        if (first < 0) first = index;
        last = index;
      }
      if (first < 0) return;
      const [i0, j, k] = voxelAt(dims, first);
      const i1 = i0 + (last - first) + 1;
      if (!box) box = [i0, j, k, i1, j + 1, k + 1];
      else {
        box = [
          Math.min(box[0], i0), Math.min(box[1], j), Math.min(box[2], k),
          Math.max(box[3], i1), Math.max(box[4], j + 1), Math.max(box[5], k + 1),
        ];
      }
    });
    return box;
  }
}
