/** The case on the screen: its voxels, its structures, and where we look. */

import type { CaseInfo, Finding, StructureInfo, StructureState } from "../api/workbench.ts";
import { type Box, type Grid, type Triple, voxelCount, wholeBox } from "../geometry/grid.ts";
import { LabelVolume } from "../paint/label-volume.ts";
import type { Change } from "../paint/recorder.ts";
import type { Target } from "../saving/outbox-item.ts";
import type { LoadedCase } from "./loading-worker.ts";

export interface Entry {
  readonly name: string;
  readonly value: number;
  readonly colour: string;
  readonly window: StructureInfo["window"];
  readonly findings: readonly Finding[];
  state: StructureState;
  maskId: string | null;
  voxels: number;
  box: Box | null;
  locked: boolean;
  /** Changes that no revision holds yet, and how many of them were drawn on this structure itself. */
  strokes: number;
  ownStrokes: number;
  /** Of work on it that no revision or verdict tells of yet. */
  seconds: number;
  /** Who else is drawing on it. */
  takenBy: string | null;
  /** Whether the server's draft and lease are known. */
  isOpen: boolean;
}

export type Shelf = "to check" | "accepted" | "no mask yet" | "not in image";
export const SHELVES: readonly Shelf[] = ["to check", "accepted", "no mask yet", "not in image"];

export function shelfOf(entry: Entry): Shelf {
  if (entry.state.startsWith("absent")) return "not in image";
  if (entry.state === "accepted") return "accepted";
  if (entry.state === "flagged") return "to check";
  // An empty mask is what a model found, no mask to accept.
  return entry.strokes === 0 && entry.voxels === 0 ? "no mask yet" : "to check";
}

export class Scene {
  readonly info: CaseInfo;
  readonly grid: Grid;
  readonly ct: Int16Array<ArrayBuffer>;
  readonly volume: LabelVolume;
  readonly entries: Entry[];
  readonly at: Triple;
  active: Entry | null = null;
  private readonly byValue = new Map<number, Entry>();

  constructor({ info, ct, labels }: LoadedCase) {
    if (ct.length !== voxelCount(info.dims) || labels.length !== ct.length) {
      throw new Error(`case ${info.id}: the CT has ${ct.length} voxels, its masks ${labels.length}, expected ${info.dims.join("×")}`);
    }
    this.info = info;
    this.ct = ct;
    this.grid = { dims: info.dims, spacingMm: info.spacing_mm, affine: info.affine };
    this.volume = new LabelVolume(info.dims, info.spacing_mm, labels);
    this.at = info.dims.map((size) => size >> 1) as Triple;
    this.entries = info.structures.map(entryOf);
    for (const entry of this.entries) {
      this.byValue.set(entry.value, entry);
      this.volume.locked[entry.value] = entry.locked ? 1 : 0;
    }
  }

  named(name: string): Entry | null {
    return this.entries.find((entry) => entry.name === name) ?? null;
  }

  /** The structure that is meant, if it is on the screen: a blind drawing of it is another thing than the mask. */
  entryOf({ caseId, structure, blind }: Target): Entry | null {
    return caseId === this.info.id && (blind ?? null) === (this.info.blind ?? null) ? this.named(structure) : null;
  }

  targetOf({ name }: Entry): Target {
    return { caseId: this.info.id, structure: name, blind: this.info.blind };
  }

  withValue(value: number): Entry | null {
    return this.byValue.get(value) ?? null;
  }

  volumeMl(entry: Entry): number {
    const [a, b, c] = this.grid.spacingMm;
    return (entry.voxels * a * b * c) / 1000;
  }

  setLocked(entry: Entry, locked: boolean): void {
    entry.locked = locked;
    this.volume.locked[entry.value] = locked ? 1 : 0;
  }

  /** Entries as the list shows them. */
  inOrder(): Entry[] {
    return SHELVES.flatMap((shelf) => this.entries.filter((entry) => shelfOf(entry) === shelf));
  }

  get toCheck(): Entry[] {
    return this.entries.filter((entry) => shelfOf(entry) === "to check");
  }

  /** Keep counts true while drawing. */
  count(change: Change): void {
    for (let at = 0; at < change.indices.length; at++) {
      const lost = this.byValue.get(change.before[at]);
      const gained = this.byValue.get(change.after[at]);
      if (lost) lost.voxels--;
      if (gained) gained.voxels++;
    }
  }

  /** The same for a change taken back. */
  countBack(change: Change): void {
    this.count({ ...change, before: change.after, after: change.before });
  }

  recount(entry: Entry): void {
    entry.box = this.volume.boxOf(entry.value, wholeBox(this.grid.dims));
    let voxels = 0;
    if (entry.box) for (const is of this.volume.maskIn(entry.value, entry.box)) voxels += is;
    entry.voxels = voxels;
  }
}

function entryOf(info: StructureInfo): Entry {
  return {
    name: info.name, value: info.value, colour: info.colour, window: info.window, findings: info.findings ?? [],
    state: stateOf(info), maskId: info.mask_id, voxels: info.voxels ?? 0, box: info.box, locked: info.locked,
    strokes: 0, ownStrokes: 0, seconds: 0, takenBy: null, isOpen: false,
  };
}

/** With how it is absent. */
export const stateOf = (info: StructureInfo): StructureState => (info.absent ? `absent_${info.absent}` : info.state);

/** Words without underscores, as people say them. */
export const spoken = (name: string): string => name.replaceAll("_", " ");
