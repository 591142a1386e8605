/**
 * Sends what was drawn, in order, and never forgets it before the server has it.
 *
 * An item is kept first, then sent, then taken away. While nobody answers it is tried again, ever more
 * slowly. A conflict holds back that structure alone; the others go on.
 */

import {
  type CommitItem, type Decision, type Lease, type NewItem, type OutboxItem, type OutboxStore, type PatchItem, type Sent,
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

const LOOK_AGAIN_MS = 20;
const RETRY_MS = [1000, 2000, 5000, 10000, 20000];
const browserClock: Clock = { now: () => Date.now(), later: (run, ms) => setTimeout(run, ms) };

export class Outbox {
  private readonly leases = new Map<string, Lease>();
  private readonly held = new Set<string>();
  /** What our own commits made of a base: strokes drawn meanwhile belong onto that. */
  private readonly successors = new Map<string, string>();
  private queue: OutboxItem[] = [];
  private keeping: Promise<void> = Promise.resolve();
  /** Structures of what is on its way into the store. */
  private beingKept: string[] = [];
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
    const waiting = this.queue.length + this.beingKept.length;
    const isHeld = this.queue.length > 0 && this.beingKept.length === 0 && !this.next();
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
    return this.keep(target, async () => ({
      ...target, kind: "patch", box, base, body: await gzip(mask), client: null, sequence: null, madeAt: this.clock.now(),
    }));
  }

  commit(target: Target, base: string | null, seconds: number, strokes: number): Promise<void> {
    return this.keep(target, async () => ({ ...target, kind: "commit", base, seconds, strokes, asked: null, madeAt: this.clock.now() }));
  }

  /** `mask` null: the revision that the commit before makes. */
  verdict(target: Target, decision: Decision, mask: string | null, more: { reason: string; seconds: number }): Promise<void> {
    return this.keep(target, async () => ({
      ...target, ...more, kind: "verdict", decision, mask, id: crypto.randomUUID(), madeAt: this.clock.now(),
    }));
  }

  isWaiting(target: Target): boolean {
    const key = targetKey(target);
    return this.beingKept.includes(key) || this.queue.some((item) => targetKey(item) === key);
  }

  /** Give up what waits for a structure: the other revision was taken. */
  async discard(target: Target): Promise<void> {
    const gone = this.queue.filter((item) => targetKey(item) === targetKey(target));
    this.queue = this.queue.filter((item) => !gone.includes(item));
    for (const item of gone) await this.store.remove(item.key);
    this.held.delete(targetKey(target));
    this.tell();
  }

  /** Let a held structure go on, from the revision that was chosen. */
  async release(target: Target, mask: string): Promise<void> {
    for (const item of this.queue) {
      if (item.kind !== "commit" || !item.asked || targetKey(item) !== targetKey(target)) continue;
      this.successors.set(`${targetKey(item)}@${item.asked.base}`, mask);
      await this.drop(item);
    }
    this.held.delete(targetKey(target));
    await this.nameMask(target, mask);
    await this.pump();
  }

  /** Wait until all that can be sent (of a structure) is: as long as that goes on, `ms` at most. */
  async untilSent(ms: number, target?: Target): Promise<void> {
    const end = this.clock.now() + ms;
    await this.keeping;
    const goesOn = (item: OutboxItem): boolean =>
      !this.held.has(targetKey(item)) && (!target || targetKey(item) === targetKey(target));
    while (this.queue.some(goesOn) && this.failures === 0 && !this.isSignedOut && this.clock.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  /** Try now: the network is back, or somebody signed in. */
  async retry(): Promise<void> {
    this.isSignedOut = false;
    await this.pump();
  }

  private keep(target: Target, make: () => Promise<NewItem>): Promise<void> {
    const key = targetKey(target);
    this.beingKept.push(key);
    const kept = this.keeping.then(async () => {
      try {
        const item = await this.store.add(await make());
        this.queue.push(item);
      } finally {
        this.beingKept.splice(this.beingKept.indexOf(key), 1);
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
        const { key } = item;
        const sent = await this.send(item);
        if (!(await this.settle(this.queue.find((each) => each.key === key) ?? item, sent))) break;
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
    return item.kind === "commit" ? this.sendCommit(item, lease) : this.sendPatch(item, lease);
  }

  private async sendCommit(item: CommitItem, lease: Lease): Promise<Sent> {
    const asked = item.asked ?? { client: this.client, base: lease.base, sequence: lease.sequence };
    if (!item.asked) await this.fix({ ...item, asked });
    return this.transport.commit(item, asked);
  }

  /** Keep how an item is sent, so that a repeated try is the same one. */
  private async fix(item: OutboxItem): Promise<void> {
    await this.store.replace(item);
    this.queue = this.queue.map((each) => (each.key === item.key ? item : each));
  }

  private async sendPatch(item: PatchItem, lease: Lease): Promise<Sent> {
    let numbered = item;
    if (item.sequence === null) {
      numbered = { ...item, base: this.newest(item, item.base), client: this.client, sequence: lease.sequence + 1 };
      await this.fix(numbered);
    }
    const sent = await this.transport.patch(numbered, { ...lease, base: numbered.base });
    if (sent.kind === "done") {
      const sequence = Math.max(lease.sequence, numbered.sequence ?? 0);
      this.leases.set(targetKey(item), { base: numbered.base, sequence });
      if (sent.takenBy) this.listener.taken(item, sent.takenBy);
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
    const { caseId, structure, blind } = item;
    this.listener.conflict({ caseId, structure, blind, mine: sent.mine, current: sent.current });
  }

  private async committed(item: CommitItem, mask: string | null): Promise<void> {
    const base = item.asked?.base ?? null;
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
