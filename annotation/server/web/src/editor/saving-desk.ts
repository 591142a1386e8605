/** Leases, drafts and revisions of the case on the screen. */

import { maskCrop, type Session } from "../api/workbench.ts";
import { type Box, wholeBox } from "../geometry/grid.ts";
import type { Change } from "../paint/recorder.ts";
import { type Conflict, type Listener, Outbox, type SaveState } from "../saving/outbox.ts";
import { type Decision, type OutboxItem, type Target, targetKey } from "../saving/outbox-item.ts";
import { patchesOf } from "../saving/patches.ts";
import { AS_LONG_AS_THE_PAGE, inTurn } from "../saving/sender.ts";
import { storeOf } from "../saving/store.ts";
import { HttpTransport } from "../saving/transport.ts";
import { BegunDrafts } from "../saving/begun-drafts.ts";
import type { Entry, Scene } from "./scene.ts";

export interface DeskListener {
  saveChanged(state: SaveState): void;
  conflict(conflict: Conflict): void;
  refused(words: string): void;
  maskChanged(entry: Entry): void;
  committed(target: Target, mask: string | null): void;
  taken(target: Target, by: string): void;
  /** A decision that the page shows does not hold: ask for the state anew. */
  lookAgain(target: Target): void;
  /** Since the last sign of work. */
  idleSeconds(): number;
}

const draftOf = ({ blind }: Target): "draft" | "blind draft" => (blind ? "blind draft" : "draft");
const RENEW_MS = 60_000;
/** For what may still be on its way. */
export const SENDING_MS = 10_000;

export class SavingDesk implements Listener {
  readonly outbox: Outbox;
  private readonly transport: HttpTransport;
  private readonly listener: DeskListener;
  private readonly begun: BegunDrafts;
  private readonly leased = new Map<string, Target>();
  /** Structures whose revision is under way. */
  private readonly committing = new Set<string>();
  private readonly opening = new Map<Entry, Promise<void>>();
  private leaving: Target[] = [];
  private readonly name: string;

  constructor(session: Session, listener: DeskListener) {
    this.listener = listener;
    this.transport = new HttpTransport(session.workspace, session.user);
    const { name, store } = storeOf(session);
    this.name = name;
    this.begun = new BegunDrafts(name);
    this.outbox = new Outbox(store, this.transport, this, crypto.randomUUID());
    setInterval(() => void this.renew(), RENEW_MS);
  }

  /** Send what earlier pages left behind, unless another tab does. */
  takeUp(): Promise<void> {
    return inTurn(this.name, () => this.outbox.resume(), { until: AS_LONG_AS_THE_PAGE });
  }

  /** Ask for the right to draw (by force: from whoever has it) and for the draft; brings the mask on the screen up to date. */
  open(scene: Scene, entry: Entry, force = false): Promise<void> {
    if (entry.isOpen) return Promise.resolve();
    const opening = this.opening.get(entry) ?? this.openOnce(scene, entry, force).finally(() => this.opening.delete(entry));
    this.opening.set(entry, opening);
    return opening;
  }

  private async openOnce(scene: Scene, entry: Entry, force: boolean): Promise<void> {
    if (scene.info.editable === false) return this.bringUpToDate(scene, entry, entry.maskId, false);
    const target = scene.targetOf(entry);
    // What was drawn before the case was left may still be on its way.
    await this.outbox.untilSent(SENDING_MS, target);
    const leased = await this.transport.lease(target, force);
    if (leased.kind !== "leased") {
      entry.isOpen = leased.kind === "unreachable";
      if (leased.kind === "signed-out") this.listener.refused("You are signed out. Sign in again in another tab, then choose the structure once more.");
      if (leased.kind === "refused") this.listener.refused(`${entry.name}: ${leased.why}`);
      return;
    }
    const wasTaken = entry.takenBy !== null;
    entry.takenBy = leased.takenBy ?? null;
    if (leased.takenBy) return;
    if (wasTaken) scene.setLocked(entry, entry.state === "accepted");
    if (!target.blind) this.leased.set(entry.name, target);
    this.outbox.opened(target, leased.lease);
    if (!this.outbox.isWaiting(target)) await this.bringUpToDate(scene, entry, leased.lease.base, leased.lease.sequence > 0);
    entry.maskId = leased.lease.base;
    entry.isOpen = true;
  }

  /** Take up the drafts of a case that an earlier page left unfinished. */
  async resume(scene: Scene): Promise<void> {
    const begun = scene.entries.flatMap((entry) => {
      const work = this.begun.workIn(scene.targetOf(entry));
      return work ? [{ entry, work }] : [];
    });
    for (const { entry, work } of begun) {
      await this.open(scene, entry);
      if (entry.strokes === 0) continue;
      entry.ownStrokes += work.strokes;
      entry.seconds += work.seconds;
    }
  }

  /** Where the label map cannot show the mask as it is (a draft, another revision, an overlap), get the mask itself. */
  private async bringUpToDate(scene: Scene, entry: Entry, base: string | null, hasDraft: boolean): Promise<void> {
    const expected = entry.voxels;
    const shown = entry.box ? scene.volume.maskIn(entry.value, entry.box).reduce((sum, is) => sum + is, 0) : 0;
    if (!hasDraft && base === entry.maskId && shown === expected) return;
    const { id } = scene.info;
    const crop = hasDraft ? await maskCrop(id, entry.name, draftOf(scene.targetOf(entry))) : base ? await maskCrop(id, entry.name, { revision: base }) : null;
    if (!crop && base !== null) return;
    scene.volume.layMask(entry.value, crop?.box ?? [0, 0, 0, 0, 0, 0], crop?.mask ?? new Uint8Array(0));
    scene.recount(entry);
    if (hasDraft) entry.strokes++;
    this.listener.maskChanged(entry);
  }

  /** Keep a change for sending: a patch for each structure that gained or lost voxels. */
  keep(scene: Scene, change: Change): void {
    for (const patch of patchesOf(scene.volume, change)) {
      const entry = scene.withValue(patch.value);
      if (!entry) continue;
      entry.strokes++;
      if (entry === scene.active) entry.ownStrokes++;
      entry.state = "corrected";
      const target = scene.targetOf(entry);
      this.begun.note(target, { strokes: entry.ownStrokes, seconds: entry.seconds });
      void this.outbox.patch(target, entry.maskId, patch.box, patch.mask);
    }
  }

  /** Turn what was drawn on a structure into a revision. */
  commit(scene: Scene, entry: Entry): void {
    if (entry.strokes === 0) return;
    const target = scene.targetOf(entry);
    this.committing.add(targetKey(target));
    void this.outbox.commit(target, entry.maskId, entry.seconds, entry.ownStrokes);
    Object.assign(entry, { strokes: 0, ownStrokes: 0, seconds: 0 });
  }

  /** A blind drawing is done, also where nothing was to be changed: the server makes it of a stroke at least. */
  finishBlind(scene: Scene, entry: Entry): void {
    const one: Box = [0, 0, 0, 1, 1, 1];
    if (entry.strokes === 0) {
      const same = scene.volume.maskIn(entry.value, one) as Uint8Array<ArrayBuffer>;
      void this.outbox.patch(scene.targetOf(entry), entry.maskId, one, same);
      entry.strokes = 1;
    }
    this.commit(scene, entry);
  }

  /** Make a revision of what was drawn, if anything, and judge it. */
  decide(scene: Scene, entry: Entry, decision: Decision, reason: string): void {
    this.commit(scene, entry);
    const target = { caseId: scene.info.id, structure: entry.name };
    const mask = this.committing.has(targetKey(target)) ? null : entry.maskId;
    void this.outbox.verdict(target, decision, mask, { reason, seconds: entry.seconds });
    entry.seconds = 0;
  }

  /** The case is left: give leases back as soon as nothing waits for them. */
  leave(): void {
    this.leaving.push(...this.leased.values());
    this.leased.clear();
    this.giveBack();
  }

  /** The page goes: what nobody drew on is free at once; a draft keeps its lease until it lapses. */
  letGo(scene: Scene): void {
    for (const target of this.leased.values()) {
      if (scene.named(target.structure)?.strokes === 0) void this.transport.release(target);
    }
  }

  private giveBack(): void {
    const free = this.leaving.filter((target) => !this.outbox.isWaiting(target));
    this.leaving = this.leaving.filter((target) => !free.includes(target));
    for (const target of free) void this.transport.release(target);
  }

  private async renew(): Promise<void> {
    if (document.visibilityState === "hidden" || this.listener.idleSeconds() * 1000 > RENEW_MS) return;
    for (const target of this.leased.values()) {
      const leased = await this.transport.lease(target);
      if (leased.kind === "leased" && leased.takenBy) this.taken(target, leased.takenBy);
    }
  }

  /** Theirs stays in force; ours stays a revision where there is one. */
  async takeTheirs(scene: Scene, conflict: Conflict): Promise<void> {
    await this.outbox.discard(conflict);
    this.committing.delete(targetKey(conflict));
    this.begun.delete(conflict);
    const entry = scene.entryOf(conflict);
    if (!entry) return;
    Object.assign(entry, { strokes: 0, ownStrokes: 0, isOpen: false });
    await this.layRevision(scene, entry, conflict.blind ?? conflict.current?.id);
    if (!conflict.blind) this.listener.lookAgain(conflict);
    await this.open(scene, entry);
  }

  private async layRevision(scene: Scene, entry: Entry, revision?: string): Promise<void> {
    const crop = await maskCrop(scene.info.id, entry.name, { revision: revision || undefined });
    scene.volume.layMask(entry.value, crop?.box ?? [0, 0, 0, 0, 0, 0], crop?.mask ?? new Uint8Array(0));
    scene.recount(entry);
    entry.maskId = crop?.id || null;
    this.listener.maskChanged(entry);
  }

  /** Ours comes into force, as a revision of its own over theirs. */
  async keepMine(scene: Scene, conflict: Conflict): Promise<void> {
    if (conflict.mine && conflict.current) return this.putBack(scene, conflict, conflict.mine, conflict.current.id);
    const entry = scene.entryOf(conflict);
    if (!entry) return;
    const leased = await this.transport.lease(conflict);
    if (leased.kind !== "leased" || leased.takenBy) {
      return this.listener.refused("the mask cannot be had now; your strokes stay here, try again");
    }
    await this.outbox.discard(conflict);
    this.outbox.opened(conflict, leased.lease);
    this.leased.set(entry.name, conflict);
    Object.assign(entry, { maskId: leased.lease.base, isOpen: true, takenBy: null });
    await this.wipe(scene, entry, leased.lease.base);
    const tight = scene.volume.boxOf(entry.value, wholeBox(scene.grid.dims)) ?? [0, 0, 0, 1, 1, 1];
    const mask = scene.volume.maskIn(entry.value, tight) as Uint8Array<ArrayBuffer>;
    await this.outbox.patch(conflict, leased.lease.base, tight, mask);
    entry.strokes = Math.max(1, entry.strokes);
  }

  private async putBack(scene: Scene, conflict: Conflict, mine: string, over: string): Promise<void> {
    const sent = await this.transport.keep(conflict, mine, over);
    if (sent.kind !== "done") return this.listener.refused("yours could not be put into force; both revisions are kept, try again");
    await this.outbox.release(conflict, sent.mask ?? mine);
    this.committed(conflict, sent.mask ?? mine);
    const entry = scene.entryOf(conflict);
    // After a reload it is theirs that is on the screen.
    if (entry && entry.strokes === 0) await this.layRevision(scene, entry, sent.mask ?? mine);
  }

  /** Empty what theirs covers, so that the patch of ours that follows is the whole mask. */
  private async wipe(scene: Scene, entry: Entry, base: string | null): Promise<void> {
    const theirs = base ? await maskCrop(scene.info.id, entry.name, draftOf(scene.targetOf(entry))).then((draft) => draft ?? maskCrop(scene.info.id, entry.name, { revision: base })) : null;
    if (!theirs) return;
    const mask = scene.volume.maskIn(entry.value, theirs.box) as Uint8Array<ArrayBuffer>;
    await this.outbox.patch(scene.targetOf(entry), base, theirs.box, mask);
  }

  changed(state: SaveState): void {
    if (state.waiting === 0) this.giveBack();
    this.listener.saveChanged(state);
  }

  taken(target: Target, by: string): void {
    this.leased.delete(target.structure);
    this.listener.taken(target, by);
  }

  conflict(conflict: Conflict): void {
    this.listener.conflict(conflict);
  }

  refused(item: OutboxItem, why: string): void {
    this.listener.refused(`${item.structure}: ${why}`);
    if (item.kind === "verdict") this.listener.lookAgain(item);
  }

  committed(target: Target, mask: string | null): void {
    this.committing.delete(targetKey(target));
    this.begun.delete(target);
    this.listener.committed(target, mask);
  }
}
