/** Undo and redo within a budget of memory. What changed nothing never gets in. */

import { type Change, changeBytes } from "./recorder.ts";
import type { LabelVolume } from "./label-volume.ts";

const DEFAULT_BUDGET_BYTES = 96 * 2 ** 20;

export class History {
  private readonly budgetBytes: number;
  private done: Change[] = [];
  private undone: Change[] = [];
  private bytes = 0;

  constructor(budgetBytes = DEFAULT_BUDGET_BYTES) {
    this.budgetBytes = budgetBytes;
  }

  get depth(): number {
    return this.done.length;
  }

  get redoDepth(): number {
    return this.undone.length;
  }

  push(change: Change | null): void {
    if (!change) return;
    this.bytes -= this.undone.reduce((sum, each) => sum + changeBytes(each), 0);
    this.undone = [];
    this.done.push(change);
    this.bytes += changeBytes(change);
    while (this.bytes > this.budgetBytes && this.done.length > 1) {
      this.bytes -= changeBytes(this.done.shift() as Change);
    }
  }

  /** Take the last change back. The change is returned, so that it can be shown and saved. */
  undo(volume: LabelVolume): Change | null {
    const change = this.done.pop();
    if (!change) return null;
    write(volume, change.indices, change.before);
    this.undone.push(change);
    return change;
  }

  redo(volume: LabelVolume): Change | null {
    const change = this.undone.pop();
    if (!change) return null;
    write(volume, change.indices, change.after);
    this.done.push(change);
    return change;
  }

  clear(): void {
    this.done = [];
    this.undone = [];
    this.bytes = 0;
  }
}

function write(volume: LabelVolume, indices: Uint32Array, values: ArrayLike<number>): void {
  for (let at = 0; at < indices.length; at++) volume.labels[indices[at]] = values[at];
}
