/** The round pencil and the eraser: true in millimetres, through N slices of the plane that is drawn on. */

import { type Box, type Triple, strides } from "../geometry/grid.ts";
import type { Plane } from "../geometry/planes.ts";
import type { LabelVolume } from "./label-volume.ts";
import { type Change, Recorder } from "./recorder.ts";

export interface HuRange {
  readonly lowHu: number;
  readonly highHu: number;
}

export interface PencilOptions {
  readonly value: number;
  readonly erase: boolean;
  readonly radiusMm: number;
  /** How many slices at once: the one drawn on and as many on each side. Odd. */
  readonly slices: number;
  /** Draw only voxels within; the eraser takes no notice of it. */
  readonly hu: HuRange | null;
}

/** A point on the edge counts as inside. */
const EDGE_MM2 = 1e-9;

export class PencilStroke {
  readonly plane: Plane;
  readonly options: PencilOptions;
  private readonly volume: LabelVolume;
  private readonly ct: Int16Array;
  private readonly recorder: Recorder;
  private last: Triple | null = null;

  constructor(volume: LabelVolume, ct: Int16Array, plane: Plane, options: PencilOptions) {
    this.volume = volume;
    this.ct = ct;
    this.plane = plane;
    this.options = options;
    this.recorder = new Recorder(volume);
  }

  /** Draw from the last point to this voxel. Returns the box of what changed, or null. */
  to(voxel: Triple): Box | null {
    const from = this.last ?? voxel;
    this.last = [...voxel];
    const before = this.recorder.size;
    this.capsule(from, voxel);
    return this.recorder.boxSince(before);
  }

  finish(): Change | null {
    return this.recorder.finish();
  }

  /** Every voxel whose middle lies within the radius of the line between two voxels, through the slices. */
  private capsule(from: Triple, to: Triple): void {
    const { dims, spacingMm } = this.volume;
    const { u: U, v: V, w: W } = this.plane;
    const { radiusMm, slices } = this.options;
    const [du, dv] = [spacingMm[U], spacingMm[V]];
    const [ru, rv] = [Math.ceil(radiusMm / du), Math.ceil(radiusMm / dv)];
    const half = (slices - 1) >> 1;
    const u0 = Math.max(0, Math.min(from[U], to[U]) - ru);
    const u1 = Math.min(dims[U] - 1, Math.max(from[U], to[U]) + ru);
    const v0 = Math.max(0, Math.min(from[V], to[V]) - rv);
    const v1 = Math.min(dims[V] - 1, Math.max(from[V], to[V]) + rv);
    const w0 = Math.max(0, to[W] - half);
    const w1 = Math.min(dims[W] - 1, to[W] + half);
    const [bu, bv] = [(to[U] - from[U]) * du, (to[V] - from[V]) * dv];
    const length2 = bu * bu + bv * bv;
    const limit = radiusMm * radiusMm + EDGE_MM2;
    const step = strides(dims);
    for (let v = v0; v <= v1; v++) {
      const pv = (v - from[V]) * dv;
      for (let u = u0; u <= u1; u++) {
        const pu = (u - from[U]) * du;
        let along = length2 > 0 ? (pu * bu + pv * bv) / length2 : 0;
        along = along < 0 ? 0 : along > 1 ? 1 : along;
        const [eu, ev] = [pu - along * bu, pv - along * bv];
        if (eu * eu + ev * ev > limit) continue;
        const foot = u * step[U] + v * step[V];
        for (let w = w0; w <= w1; w++) this.touch(foot + w * step[W]);
      }
    }
  }

  private touch(index: number): void {
    const { value, erase, hu } = this.options;
    if (erase) this.recorder.erase(index, value);
    else if (!hu || (this.ct[index] >= hu.lowHu && this.ct[index] <= hu.highHu)) this.recorder.draw(index, value);
  }
}
