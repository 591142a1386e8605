/**
 * In debug mode (`?debug`): what was drawn, in millimetres, so that it can be replayed elsewhere and compared
 * voxel by voxel, and how long drawing took.
 */

import { type Grid, indexOf, type Triple, worldOf } from "../geometry/grid.ts";
import type { PlaneName } from "../geometry/planes.ts";
import type { PencilOptions } from "../paint/pencil.ts";

interface LoggedStroke {
  readonly kind: "stroke";
  readonly plane: PlaneName;
  readonly options: PencilOptions;
  readonly locked: number[];
  readonly mm: Triple[];
  readonly hu: number[];
}

declare global {
  interface Window {
    __strokes?: (LoggedStroke | { kind: "undo" | "redo" })[];
    __drawMs?: number[];
  }
}

export class StrokeLog {
  readonly isOn = new URLSearchParams(location.search).has("debug");
  private stroke: LoggedStroke | null = null;

  constructor() {
    if (!this.isOn) return;
    window.__strokes = [];
    window.__drawMs = [];
  }

  begin(plane: PlaneName, options: PencilOptions, locked: Uint8Array): void {
    if (!this.isOn) return;
    const values = [...locked.keys()].filter((value) => locked[value]);
    this.stroke = { kind: "stroke", plane, options: { ...options }, locked: values, mm: [], hu: [] };
    window.__strokes?.push(this.stroke);
  }

  point(grid: Grid, ct: Int16Array, voxel: Triple): void {
    this.stroke?.mm.push(worldOf(grid.affine, voxel));
    this.stroke?.hu.push(ct[indexOf(grid.dims, voxel)]);
  }

  end(): void {
    this.stroke = null;
  }

  undo(): void {
    window.__strokes?.push({ kind: "undo" });
  }

  redo(): void {
    window.__strokes?.push({ kind: "redo" });
  }

  /** From the pointer's event to the picture. */
  drawn(ms: number): void {
    window.__drawMs?.push(ms);
  }
}
