/** Tools that take the whole structure at once: largest component, smooth, put a mask in. */

import { type Box, boxPadded, boxSize, boxUnion, forEachRow, type Triple, wholeBox } from "../geometry/grid.ts";
import type { LabelVolume } from "./label-volume.ts";
import { type Change, Recorder } from "./recorder.ts";

/** Volume index of each voxel of a box, by its place in the box. */
function indexInVolume(dims: Triple, box: Box, at: number): number {
  const [si, sj] = boxSize(box);
  const i = at % si;
  const row = (at - i) / si;
  const j = row % sj;
  return box[0] + i + dims[0] * (box[1] + j + dims[1] * (box[2] + (row - j) / sj));
}

/** Keep the largest piece (26 neighbours) of the structure. */
export function keepLargest(volume: LabelVolume, value: number): Change | null {
  const box = volume.boxOf(value, wholeBox(volume.dims));
  if (!box) return null;
  const mask = volume.maskIn(value, box);
  const { pieces, sizes } = piecesOf(mask, boxSize(box));
  const largest = sizes.reduce((best, size, at) => (size > sizes[best] ? at : best), 0);
  const recorder = new Recorder(volume);
  for (let at = 0; at < mask.length; at++) {
    if (mask[at] && pieces[at] !== largest + 1) recorder.erase(indexInVolume(volume.dims, box, at), value);
  }
  return recorder.finish();
}

/** Number the pieces of a mask from 1 on, and count their voxels. */
export function piecesOf(mask: Uint8Array, size: Triple): { pieces: Uint32Array; sizes: number[] } {
  const pieces = new Uint32Array(mask.length);
  const sizes: number[] = [];
  const queue: number[] = [];
  for (let start = 0; start < mask.length; start++) {
    if (!mask[start] || pieces[start]) continue;
    sizes.push(0);
    const number = sizes.length;
    pieces[start] = number;
    queue.push(start);
    for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
      sizes[number - 1]++;
      for (const near of neighbours26(at, size)) {
        if (!mask[near] || pieces[near]) continue;
        pieces[near] = number;
        queue.push(near);
      }
    }
  }
  return { pieces, sizes };
}

function* neighbours26(at: number, [si, sj, sk]: Triple): Generator<number> {
  const i = at % si;
  const row = (at - i) / si;
  const j = row % sj;
  const k = (row - j) / sj;
  for (let z = Math.max(0, k - 1); z <= Math.min(sk - 1, k + 1); z++) {
    for (let y = Math.max(0, j - 1); y <= Math.min(sj - 1, j + 1); y++) {
      for (let x = Math.max(0, i - 1); x <= Math.min(si - 1, i + 1); x++) {
        const near = x + si * (y + sj * z);
        if (near !== at) yield near;
      }
    }
  }
}

/** Smooth the surface: blur the mask over `widthMm` (a standard deviation) and cut at one half. */
export function smooth(volume: LabelVolume, value: number, widthMm: number): Change | null {
  const tight = volume.boxOf(value, wholeBox(volume.dims));
  if (!tight) return null;
  const margin = volume.spacingMm.map((spacing) => Math.ceil((2 * widthMm) / spacing) + 1) as Triple;
  const box = boxPadded(volume.dims, tight, margin);
  const mask = volume.maskIn(value, box);
  let blurred: Float32Array = Float32Array.from(mask);
  for (const axis of [0, 1, 2] as const) blurred = blur(blurred, boxSize(box), axis, widthMm / volume.spacingMm[axis]);
  const recorder = new Recorder(volume);
  for (let at = 0; at < mask.length; at++) {
    const wanted = blurred[at] > 0.5;
    if (wanted === (mask[at] === 1)) continue;
    const index = indexInVolume(volume.dims, box, at);
    if (wanted) recorder.draw(index, value);
    else recorder.erase(index, value);
  }
  return recorder.finish();
}

/** Gaussian along one axis; the edge of the box repeats. */
function blur(grid: Float32Array, size: Triple, axis: 0 | 1 | 2, sigma: number): Float32Array {
  const half = Math.max(1, Math.ceil(2.5 * sigma));
  const weights = Array.from({ length: 2 * half + 1 }, (_, at) => Math.exp(-((at - half) ** 2) / (2 * sigma * sigma)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const step = [1, size[0], size[0] * size[1]][axis];
  const length = size[axis];
  const out = new Float32Array(grid.length);
  for (let at = 0; at < grid.length; at++) {
    const place = Math.floor(at / step) % length;
    let sum = 0;
    for (let tap = -half; tap <= half; tap++) {
      const there = Math.max(0, Math.min(length - 1, place + tap));
      sum += weights[tap + half] * grid[at + (there - place) * step];
    }
    out[at] = sum / total;
  }
  return out;
}

/** Make the structure what a mask crop says; locked neighbours stay. */
export function replaceWith(volume: LabelVolume, value: number, box: Box, mask: Uint8Array): Change | null {
  const tight = volume.boxOf(value, wholeBox(volume.dims));
  const all = boxUnion(tight, mask.length > 0 ? box : null);
  if (!all) return null;
  const recorder = new Recorder(volume);
  const [si, sj] = boxSize(box);
  const [i0, j0, k0, i1, j1, k1] = box;
  let [i, j, k] = [all[0], all[1], all[2]];
  forEachRow(volume.dims, all, (start, length) => {
    const isRowInMask = j >= j0 && j < j1 && k >= k0 && k < k1;
    const row = si * (j - j0 + sj * (k - k0));
    for (i = all[0]; i < all[0] + length; i++) {
      const index = start + i - all[0];
      if (isRowInMask && i >= i0 && i < i1 && mask[row + i - i0]) recorder.draw(index, value);
      else recorder.erase(index, value);
    }
    if (++j === all[4]) [j, k] = [all[1], k + 1];
  });
  return recorder.finish();
}

/** The other side's structure, mirrored about a sagittal plane (`middle` in voxels of i, may end in .5). */
export function mirrored(dims: Triple, box: Box, mask: Uint8Array, middle: number): { box: Box; mask: Uint8Array } {
  const [si, sj, sk] = boxSize(box);
  const low = Math.round(2 * middle) - (box[3] - 1);
  const cut: Box = [Math.max(0, low), box[1], box[2], Math.min(dims[0], low + si), box[4], box[5]];
  const width = Math.max(0, cut[3] - cut[0]);
  const out = new Uint8Array(width * sj * sk);
  for (let row = 0; row < sj * sk; row++) {
    for (let i = 0; i < width; i++) {
      const source = box[3] - 1 - (cut[0] - low) - i;
      out[row * width + i] = mask[row * si + (source - box[0])];
    }
  }
  return { box: cut, mask: out };
}

/** The middle of the body from left to right on the slices of a box: half-way between its outermost dense voxels. */
export function bodyMiddle(ct: Int16Array, dims: Triple, box: Box): number {
  const middles: number[] = [];
  const step = Math.max(1, Math.floor((box[5] - box[2]) / 16));
  for (let k = box[2]; k < box[5]; k += step) {
    const sums = new Float64Array(dims[0]);
    for (let j = 0; j < dims[1]; j++) {
      const start = dims[0] * (j + dims[1] * k);
      for (let i = 0; i < dims[0]; i++) if (ct[start + i] > -300) sums[i]++;
    }
    const inBody = [...sums.keys()].filter((i) => sums[i] > dims[1] * 0.04);
    if (inBody.length > 0) middles.push((inBody[0] + inBody[inBody.length - 1]) / 2);
  }
  if (middles.length === 0) return (dims[0] - 1) / 2;
  middles.sort((a, b) => a - b);
  return middles[middles.length >> 1];
}
