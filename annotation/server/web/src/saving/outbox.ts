/**
 * Sends what was drawn, in order, and never forgets it before the server has it.
 *
 * An item is kept first, then sent, then taken away. While nobody answers it is tried again, ever more
 * slowly. A conflict holds back that structure alone; the others go on.
 */

import {
  type Decision, type Lease, type NewItem, type OutboxItem, type OutboxStore, type PatchItem, type Sent,
  type Target, targetKey, type Transport,
} from "./outbox-item.ts";
import { gzip } from "./gzip.ts";
import type { Box } from "../geometry/grid.ts";

export interface SaveState {
  readonly kind: "saved" | "saving" | "held" | "offline" | "signed-out";
  readonly waiting: number;
  readonly edits: number;
  readonly savedAt: number | null;
}

export interface Conflict extends Target {
  readonly current?: { id: string; by: string };
  readonly mine?: string;
}

export interface Listener {
  changed(state: SaveState): void;
  conflict(conflict: Conflict): void;
  refused(item: OutboxItem, why: string): void;
  committed(target: Target, mask: string | null): void;
  /** Somebody else draws on a structure that we changed. */
  taken(target: Target, by: string): void;
}

export interface Clock {
  now(): number;
  later(run: () => void, ms: number): unknown;
}

const RETRY_MS = [1000, 2000, 5000, 10000, 20000];
const browserClock: Clock = { now: () => Date.now(), later: (run, ms) => setTimeout(run, ms) };

export class Outbox {
  private readonly leases = new Map<string, Lease>();
  private readonly held = new Set<string>();
  /** What our own commits made of a base: strokes drawn meanwhile belong onto that. */
  private readonly successors = new Map<string, string>();
  private queue: OutboxItem[] = [];
  private keeping: Promise<void> = Promise.resolve();
  private beingKept = 0;
  private isSending = false;
  private failures = 0;
  private isRetryPlanned = false;
  private isSignedOut = false;
  private edits = 0;
  private savedAt: number | null = null;
  private readonly store: OutboxStore;
  private readonly transport: Transport;
  private readonly listener: Listener;
  private readonly client: string;
  private readonly clock: Clock;

  constructor(store: OutboxStore, transport: Transport, listener: Listener, client: string, clock: Clock = browserClock) {
    [this.store, this.transport, this.listener] = [store, transport, listener];
    [this.client, this.clock] = [client, clock];
  }

  /** Take up what an earlier page left behind. Resolves when all of it is sent or cannot be now. */
  async resume(): Promise<void> {
    this.queue = (await this.store.all()).sort((a, b) => a.key - b.key);
    await this.pump();
  }

  get state(): SaveState {
    const waiting = this.queue.length + this.beingKept;
    const isHeld = this.queue.length > 0 && this.beingKept === 0 && !this.next();
    const calm = isHeld ? "held" : waiting > 0 ? "saving" : "saved";
    const kind = this.isSignedOut ? "signed-out" : this.failures > 0 ? "offline" : calm;
    return { kind, waiting, edits: this.edits, savedAt: this.savedAt };
  }

  /** What the server said when the editor opened a structure. */
  opened(target: Target, lease: Lease): void {
    this.leases.set(targetKey(target), lease);
    this.held.delete(targetKey(target));
  }

  patch(target: Target, base: string | null, box: Box, mask: Uint8Array<ArrayBuffer>): Promise<void> {
    this.edits++;
    return this.keep(async () => ({
      ...target, kind: "patch", box, base, body: await gzip(mask), client: null, sequence: null, madeAt: this.clock.now(),
    }));
  }

  commit(target: Target, base: string | null, seconds: number, strokes: number): Promise<void> {
    return this.keep(async () => ({ ...target, kind: "commit", base, seconds, strokes, madeAt: this.clock.now() }));
  }

  /** `mask` null: the revision that the commit before makes. */
  verdict(target: Target, decision: Decision, mask: string | null, more: { reason: string; seconds: number }): Promise<void> {
    return this.keep(async () => ({
      ...target, ...more, kind: "verdict", decision, mask, id: crypto.randomUUID(), madeAt: this.clock.now(),
    }));
  }

  isWaiting(target: Target): boolean {
    return this.queue.some((item) => targetKey(item) === targetKey(target));
  }

  /** Give up what waits for a structure: the other revision was taken. */
  async discard(target: Target): Promise<void> {
    const gone = this.queue.filter((item) => targetKey(item) === targetKey(target));
    this.queue = this.queue.filter((item) => !gone.includes(item));
    for (const item of gone) await this.store.remove(item.key);
    this.held.delete(targetKey(target));
    this.tell();
  }

  /** Let verdicts of a held structure go on, about the revision that was chosen. */
  async release(target: Target, mask: string): Promise<void> {
    this.held.delete(targetKey(target));
    await this.nameMask(target, mask);
    await this.pump();
  }

  /** Try now: the network is back, or somebody signed in. */
  async retry(): Promise<void> {
    this.isSignedOut = false;
    await this.pump();
  }

  private keep(make: () => Promise<NewItem>): Promise<void> {
    this.beingKept++;
    const kept = this.keeping.then(async () => {
      try {
        const item = await this.store.add(await make());
        this.queue.push(item);
      } finally {
        this.beingKept--;
        this.tell();
      }
    });
    this.keeping = kept.catch(() => undefined);
    return kept.then(() => void this.pump());
  }

  private next(): OutboxItem | undefined {
    return this.queue.find((item) => !this.held.has(targetKey(item)));
  }

  private async pump(): Promise<void> {
    if (this.isSending) return;
    this.isSending = true;
    this.tell();
    try {
      for (let item = this.next(); item && !this.isSignedOut; item = this.next()) {
        if (!(await this.settle(item, await this.send(item)))) break;
      }
    } finally {
      this.isSending = false;
      this.tell();
    }
  }

  private async send(item: OutboxItem): Promise<Sent> {
    if (item.kind === "verdict") return this.transport.verdict(item);
    const lease = await this.leaseFor(item);
    if ("kind" in lease) return lease;
    if (item.kind === "commit") return this.transport.commit(item, this.client, lease);
    return this.sendPatch(item, lease);
  }

  private async sendPatch(item: PatchItem, lease: Lease): Promise<Sent> {
    let numbered = item;
    if (item.sequence === null) {
      numbered = { ...item, base: this.newest(item, item.base), client: this.client, sequence: lease.sequence + 1 };
      await this.store.replace(numbered);
      this.queue = this.queue.map((each) => (each.key === item.key ? numbered : each));
    }
    const sent = await this.transport.patch(numbered, { ...lease, base: numbered.base });
    if (sent.kind === "done") {
      const sequence = Math.max(lease.sequence, numbered.sequence ?? 0);
      this.leases.set(targetKey(item), { base: numbered.base, sequence });
    }
    return sent;
  }

  private newest(target: Target, base: string | null): string | null {
    const next = this.successors.get(`${targetKey(target)}@${base}`);
    return next === undefined ? base : this.newest(target, next);
  }

  private async leaseFor(target: Target): Promise<Lease | Sent> {
    const known = this.leases.get(targetKey(target));
    if (known) return known;
    const leased = await this.transport.lease(target);
    if (leased.kind !== "leased") return leased;
    this.leases.set(targetKey(target), leased.lease);
    if (leased.takenBy) this.listener.taken(target, leased.takenBy);
    return leased.lease;
  }

  /** Do what an answer asks for; false ends this round of sending. */
  private async settle(item: OutboxItem, sent: Sent): Promise<boolean> {
    switch (sent.kind) {
      case "unreachable":
        this.planRetry();
        return false;
      case "signed-out":
        this.isSignedOut = true;
        return false;
      case "conflict":
        await this.inTheWay(item, sent);
        return true;
      case "refused":
        this.failures = 0;
        if (sent.isKept && item.kind !== "verdict") return this.holdBack(item, sent.why);
        await this.drop(item);
        if (item.kind === "commit") await this.dropJudgements(item);
        this.listener.refused(item, sent.why);
        return true;
      case "done":
        this.failures = 0;
        this.savedAt = this.clock.now();
        await this.drop(item);
        if (item.kind === "commit") await this.committed(item, sent.mask ?? null);
        return true;
    }
  }

  /** Not for now: it stays here, and is tried again when the page is opened the next time. */
  private holdBack(item: OutboxItem, why: string): boolean {
    this.held.add(targetKey(item));
    this.leases.delete(targetKey(item));
    this.listener.refused(item, `${why}; what you drew is kept in this browser`);
    return true;
  }

  private planRetry(): void {
    const pause = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
    if (this.isRetryPlanned) return;
    this.isRetryPlanned = true;
    this.clock.later(() => {
      this.isRetryPlanned = false;
      void this.pump();
    }, pause);
  }

  private async inTheWay(item: OutboxItem, sent: Sent & { kind: "conflict" }): Promise<void> {
    this.failures = 0;
    this.held.add(targetKey(item));
    this.leases.delete(targetKey(item));
    if (item.kind === "commit" && sent.mine) await this.drop(item);
    const { caseId, structure, blind } = item;
    this.listener.conflict({ caseId, structure, blind, mine: sent.mine, current: sent.current });
  }

  private async committed(item: Target, mask: string | null): Promise<void> {
    const base = this.leases.get(targetKey(item))?.base ?? null;
    if (mask && mask !== base) this.successors.set(`${targetKey(item)}@${base}`, mask);
    this.leases.delete(targetKey(item));
    if (mask) await this.nameMask(item, mask);
    this.listener.committed(item, mask);
  }

  private async nameMask(target: Target, mask: string): Promise<void> {
    for (const [at, item] of this.queue.entries()) {
      if (item.kind !== "verdict" || item.mask !== null || targetKey(item) !== targetKey(target)) continue;
      this.queue[at] = { ...item, mask };
      await this.store.replace(this.queue[at]);
    }
  }

  /** A verdict on a revision that was not made means nothing. */
  private async dropJudgements(target: Target): Promise<void> {
    const meaningless = this.queue.filter((item) =>
      item.kind === "verdict" && item.mask === null && targetKey(item) === targetKey(target));
    for (const item of meaningless) await this.drop(item);
  }

  private async drop(item: OutboxItem): Promise<void> {
    this.queue = this.queue.filter(({ key }) => key !== item.key);
    await this.store.remove(item.key);
  }

  private tell(): void {
    this.listener.changed(this.state);
  }
}
