/** Undo and redo within a budget of memory. What changed nothing never gets in. */

import { type Change, changeBytes } from "./recorder.ts";
import type { LabelVolume } from "./label-volume.ts";

/** Something else than voxels that undo takes back in its turn. */
export interface Deed {
  undo(): void;
  redo(): void;
}

type Step = Change | Deed;

export const isDeed = (step: Step): step is Deed => "undo" in step;
const stepBytes = (step: Step): number => (isDeed(step) ? 0 : changeBytes(step));

const DEFAULT_BUDGET_BYTES = 96 * 2 ** 20;

export class History {
  private readonly budgetBytes: number;
  private done: Step[] = [];
  private undone: Step[] = [];
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

  push(step: Step | null): void {
    if (!step) return;
    this.bytes -= this.undone.reduce((sum, each) => sum + stepBytes(each), 0);
    this.undone = [];
    this.done.push(step);
    this.bytes += stepBytes(step);
    while (this.bytes > this.budgetBytes && this.done.length > 1) {
      this.bytes -= stepBytes(this.done.shift() as Step);
    }
  }

  /** Take the last step back. A change is returned, so that it can be shown and saved. */
  undo(volume: LabelVolume): Step | null {
    const step = this.done.pop();
    if (!step) return null;
    if (isDeed(step)) step.undo();
    else write(volume, step.indices, step.before);
    this.undone.push(step);
    return step;
  }

  redo(volume: LabelVolume): Step | null {
    const step = this.undone.pop();
    if (!step) return null;
    if (isDeed(step)) step.redo();
    else write(volume, step.indices, step.after);
    this.done.push(step);
    return step;
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
