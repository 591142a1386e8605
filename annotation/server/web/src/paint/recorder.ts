/** What one action changed: voxels, old and new values. Sparse, so that hundreds of them fit. */

import type { Box } from "../geometry/grid.ts";
import type { Labels } from "../display/slice.ts";
import type { LabelVolume } from "./label-volume.ts";

export interface Change {
  readonly indices: Uint32Array;
  readonly before: Labels;
  readonly after: Labels;
  readonly box: Box;
  /** Values that lost or gained voxels, without 0. */
  readonly values: readonly number[];
}

export const changeBytes = (change: Change): number =>
  change.indices.byteLength + change.before.byteLength + change.after.byteLength;

/** Voxel index and place in the record share one float: 2^28 voxels times 2^25 records stay exact. */
const MOST_RECORDS = 2 ** 25;

export class Recorder {
  private readonly volume: LabelVolume;
  private indices = new Uint32Array(1024);
  private before: Labels;
  private count = 0;

  constructor(volume: LabelVolume) {
    this.volume = volume;
    this.before = emptyLike(volume.labels, 1024);
  }

  get size(): number {
    return this.count;
  }

  /** Draw one voxel; locked values and voxels that have the value already stay. */
  draw(index: number, value: number): boolean {
    if (!this.volume.mayDraw(index, value)) return false;
    this.put(index, value);
    return true;
  }

  /** Take one voxel of `value` away; others stay. */
  erase(index: number, value: number): boolean {
    if (this.volume.labels[index] !== value) return false;
    this.put(index, this.volume.beneath.get(index) ?? 0);
    return true;
  }

  /** Close the record. Null where nothing changed in the end. */
  finish(): Change | null {
    const { labels, dims } = this.volume;
    const firsts = this.firstRecords().filter((at) => labels[this.indices[at]] !== this.before[at]);
    if (firsts.length === 0) return null;
    const indices = firsts.map((at) => this.indices[at]);
    const before = emptyLike(labels, indices.length);
    const after = emptyLike(labels, indices.length);
    const touched = new Uint8Array(65536);
    for (let at = 0; at < indices.length; at++) {
      before[at] = this.before[firsts[at]];
      after[at] = labels[indices[at]];
      touched[before[at]] = touched[after[at]] = 1;
    }
    const values = [...touched.keys()].filter((value) => value > 0 && touched[value]);
    return { indices, before, after, box: boxOfIndices(dims, indices), values };
  }

  /** The box of what was changed since record `from`, for drawing it while it goes on. */
  boxSince(from: number): Box | null {
    if (from >= this.count) return null;
    return boxOfIndices(this.volume.dims, this.indices.subarray(from, this.count));
  }

  private put(index: number, value: number): void {
    if (this.count === this.indices.length) this.enlarge();
    this.indices[this.count] = index;
    this.before[this.count++] = this.volume.labels[index];
    this.volume.labels[index] = value;
  }

  /** The first record of each voxel, in the order of the voxels. */
  private firstRecords(): Uint32Array {
    const keys = new Float64Array(this.count);
    for (let at = 0; at < this.count; at++) keys[at] = this.indices[at] * MOST_RECORDS + at;
    keys.sort();
    let found = 0;
    const firsts = new Uint32Array(this.count);
    for (let at = 0; at < keys.length; at++) {
      const record = keys[at] % MOST_RECORDS;
      if (found === 0 || this.indices[firsts[found - 1]] !== this.indices[record]) firsts[found++] = record;
    }
    return firsts.subarray(0, found);
  }

  private enlarge(): void {
    const indices = new Uint32Array(this.indices.length * 2);
    indices.set(this.indices);
    const before = emptyLike(this.volume.labels, indices.length);
    before.set(this.before);
    this.indices = indices;
    this.before = before;
  }
}

function emptyLike(labels: Labels, length: number): Labels {
  return labels instanceof Uint16Array ? new Uint16Array(length) : new Uint8Array(length);
}

function boxOfIndices([ni, nj]: readonly number[], indices: Uint32Array): Box {
  const box: Box = [Infinity, Infinity, Infinity, 0, 0, 0];
  for (const index of indices) {
    const i = index % ni;
    const row = (index - i) / ni;
    const j = row % nj;
    const k = (row - j) / nj;
    if (i < box[0]) box[0] = i;
    if (j < box[1]) box[1] = j;
    if (k < box[2]) box[2] = k;
    if (i >= box[3]) box[3] = i + 1;
    if (j >= box[4]) box[4] = j + 1;
    if (k >= box[5]) box[5] = k + 1;
  }
  return box;
}
