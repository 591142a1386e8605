import "fake-indexeddb/auto";
import { beforeEach, describe, expect, test } from "vitest";
import type { Box } from "../../src/geometry/grid.ts";
import { type Conflict, Outbox } from "../../src/saving/outbox.ts";
import type { AskedCommit, CommitItem, Lease, Leased, OutboxItem, OutboxStore, PatchItem, Sent, Target, Transport, VerdictItem } from "../../src/saving/outbox-item.ts";
import { IndexedDbStore, MemoryStore } from "../../src/saving/store.ts";

const liver: Target = { caseId: "s1", structure: "liver" };
const spleen: Target = { caseId: "s1", structure: "spleen" };
const box: Box = [0, 0, 0, 2, 1, 1];
const DONE: Sent = { kind: "done" };

/** A server that remembers what it was told, and answers as the test likes. */
class Server implements Transport {
  readonly heard: string[] = [];
  answers: Sent[] = [];
  leases: Leased[] = [];
  private at = { liver: 0, spleen: 0 } as Record<string, number>;

  async lease({ structure }: Target): Promise<Leased> {
    this.heard.push(`lease ${structure}`);
    return this.leases.shift() ?? { kind: "leased", lease: { base: "m1", sequence: this.at[structure] } };
  }
  async patch(item: PatchItem, lease: Lease): Promise<Sent> {
    this.heard.push(`${item.structure} ${item.sequence} on ${lease.base} by ${item.client}`);
    const answer = this.answers.shift() ?? DONE;
    if (answer.kind === "done") this.at[item.structure] = item.sequence ?? 0;
    return answer;
  }
  async commit(item: CommitItem, { client, sequence }: AskedCommit): Promise<Sent> {
    this.heard.push(`commit ${item.structure} ${sequence} ${item.seconds}s${client === "A" ? "" : ` by ${client}`}`);
    return this.answers.shift() ?? { kind: "done", mask: "m2" };
  }
  async verdict(item: VerdictItem): Promise<Sent> {
    this.heard.push(`${item.decision} ${item.structure} ${item.mask}`);
    return this.answers.shift() ?? DONE;
  }
}

class Desk {
  readonly conflicts: Conflict[] = [];
  readonly refusals: string[] = [];
  readonly taken: string[] = [];
  readonly timers: { run: () => void; ms: number }[] = [];
  readonly states: string[] = [];
  readonly outbox: Outbox;

  constructor(server: Transport, store: OutboxStore = new MemoryStore(), client = "A") {
    const listener = {
      changed: (state: { kind: string; waiting: number }) => void this.states.push(`${state.kind} ${state.waiting}`),
      conflict: (conflict: Conflict) => void this.conflicts.push(conflict),
      refused: (_item: OutboxItem, why: string) => void this.refusals.push(why),
      committed: () => undefined,
      taken: (target: Target, by: string) => void this.taken.push(`${target.structure} ${by}`),
    };
    const clock = { now: () => 1000, later: (run: () => void, ms: number) => this.timers.push({ run, ms }) };
    this.outbox = new Outbox(store, server, listener, client, clock);
    this.outbox.opened(liver, { base: "m1", sequence: 0 });
  }
  draw(target = liver, base: string | null = "m1") {
    return this.outbox.patch(target, base, box, Uint8Array.of(1, 0));
  }
}

const settled = () => new Promise((resolve) => setTimeout(resolve, 20));
let server: Server;
beforeEach(() => {
  server = new Server();
});

describe("the outbox", () => {
  test("sends strokes in order with growing numbers, then commit, then the verdict on what it made", async () => {
    const desk = new Desk(server);
    await Promise.all([desk.draw(), desk.draw(), desk.outbox.commit(liver, "m1", 12, 2)]);
    await desk.outbox.verdict(liver, "accept", null, { reason: "", seconds: 12 });
    await settled();
    expect(server.heard).toEqual(["liver 1 on m1 by A", "liver 2 on m1 by A", "commit liver 2 12s", "accept liver m2"]);
    expect(desk.outbox.state).toEqual({ kind: "saved", waiting: 0, edits: 2, savedAt: 1000 });
  });

  test("keeps what nobody answers, retries ever more slowly with the same numbers, and catches up", async () => {
    const desk = new Desk(server);
    server.answers = [{ kind: "unreachable" }, { kind: "unreachable" }, { kind: "unreachable" }];
    await desk.draw();
    await settled();
    expect(desk.outbox.state).toMatchObject({ kind: "offline", waiting: 1 });
    desk.timers[0].run();
    await settled();
    await desk.draw();
    await settled();
    expect(desk.outbox.state).toMatchObject({ kind: "offline", waiting: 2, savedAt: null });
    expect(desk.timers.map(({ ms }) => ms)).toEqual([1000, 2000]);
    await desk.outbox.retry();
    expect(server.heard).toEqual(["liver 1 on m1 by A", "liver 1 on m1 by A", "liver 1 on m1 by A", "liver 1 on m1 by A", "liver 2 on m1 by A"]);
    expect(desk.outbox.state).toMatchObject({ kind: "saved", waiting: 0 });
  });

  test("goes on after the tab was closed: sent again under the old number, new ones counted on", async () => {
    const store = new IndexedDbStore("closed-tab");
    const first = new Desk(server, store);
    server.answers = [{ kind: "unreachable" }, { kind: "unreachable" }];
    await first.draw();
    await first.draw();
    await settled();
    const second = new Desk(server, new IndexedDbStore("closed-tab"), "B");
    second.outbox.opened(liver, { base: "m1", sequence: 0 });
    server.heard.length = 0;
    await second.outbox.resume();
    expect(server.heard).toEqual(["liver 1 on m1 by A", "liver 2 on m1 by B"]);
    expect(await store.all()).toEqual([]);
  });

  test("a conflict holds one structure back, the others go on; nothing is thrown away", async () => {
    const desk = new Desk(server);
    server.answers = [{ kind: "conflict", current: { id: "m9", by: "eva" } }];
    await desk.draw();
    await desk.draw();
    await desk.draw(spleen);
    await settled();
    expect(desk.conflicts).toEqual([{ ...liver, current: { id: "m9", by: "eva" }, mine: undefined }]);
    expect(server.heard).toEqual(["liver 1 on m1 by A", "lease spleen", "spleen 1 on m1 by A"]);
    expect(desk.outbox.isWaiting(liver)).toBe(true);
    await desk.outbox.discard(liver);
    expect(desk.outbox.state.waiting).toBe(0);
  });

  test("a commit that comes second keeps both, and the verdict waits for the choice", async () => {
    const desk = new Desk(server);
    server.answers = [DONE, { kind: "conflict", current: { id: "m9", by: "eva" }, mine: "m2" }];
    await desk.draw();
    await desk.outbox.commit(liver, "m1", 3, 1);
    await desk.outbox.verdict(liver, "accept", null, { reason: "", seconds: 3 });
    await settled();
    expect(desk.conflicts[0]).toMatchObject({ mine: "m2", current: { id: "m9" } });
    expect(server.heard.at(-1)).toBe("commit liver 1 3s");
    await desk.draw();
    await desk.outbox.release(liver, "m9");
    expect(server.heard.slice(-3)).toEqual(["accept liver m9", "lease liver", "liver 2 on m9 by A"]);
    expect(desk.outbox.state.waiting).toBe(0);
  });

  test("a conflict that nobody answered is asked again after a reload", async () => {
    const store = new IndexedDbStore("asked-again");
    const conflict: Sent = { kind: "conflict", current: { id: "m9", by: "eva" }, mine: "m2" };
    server.answers = [DONE, conflict, conflict];
    const first = new Desk(server, store);
    await first.draw();
    await first.outbox.commit(liver, "m1", 3, 1);
    await settled();
    const second = new Desk(server, new IndexedDbStore("asked-again"), "B");
    await second.outbox.resume();
    expect(second.conflicts).toEqual([{ ...liver, current: { id: "m9", by: "eva" }, mine: "m2" }]);
    expect(server.heard.at(-1)).toBe("commit liver 1 3s");
    await second.outbox.discard(liver);
    expect(await store.all()).toEqual([]);
  });

  test("a commit whose answer was lost with the page is asked for in the same words, and its verdict follows", async () => {
    const store = new IndexedDbStore("lost-answer");
    server.answers = [DONE, { kind: "unreachable" }];
    const first = new Desk(server, store);
    await first.draw();
    await first.outbox.commit(liver, "m1", 3, 1);
    await first.outbox.verdict(liver, "accept", null, { reason: "", seconds: 3 });
    await settled();
    server.leases = [{ kind: "leased", lease: { base: "m2", sequence: 0 } }];
    const second = new Desk(server, new IndexedDbStore("lost-answer"), "B");
    server.heard.length = 0;
    await second.outbox.resume();
    expect(server.heard).toEqual(["commit liver 1 3s", "accept liver m2"]);
    expect(await store.all()).toEqual([]);
  });

  test("who draws where somebody took over is told so with the next stroke", async () => {
    const desk = new Desk(server);
    server.answers = [{ kind: "done", takenBy: "rita" }];
    await desk.draw();
    await settled();
    expect([desk.taken, desk.outbox.state.waiting]).toEqual([["liver rita"], 0]);
  });

  test("one may wait until all is sent, but not for a server that is away", async () => {
    const desk = new Desk(server);
    void desk.draw();
    await desk.outbox.untilSent(1000);
    expect(desk.outbox.state.waiting).toBe(0);
    server.answers = [{ kind: "unreachable" }];
    void desk.draw();
    await desk.outbox.untilSent(1000, liver);
    expect(desk.outbox.state).toMatchObject({ kind: "offline", waiting: 1 });
  });

  test("a structure that somebody else draws on: said so, and our strokes kept in our own draft", async () => {
    const desk = new Desk(server);
    server.leases = [{ kind: "leased", lease: { base: "m9", sequence: 4 }, takenBy: "eva" }];
    await desk.draw(spleen, "m1");
    await settled();
    expect(desk.taken).toEqual(["spleen eva"]);
    expect(server.heard).toEqual(["lease spleen", "spleen 5 on m1 by A"]);
    expect(desk.conflicts).toEqual([]);
  });

  test("strokes drawn while the commit before is under way go onto what it makes", async () => {
    const desk = new Desk(server);
    server.leases = [{ kind: "leased", lease: { base: "m2", sequence: 0 } }];
    await Promise.all([desk.draw(), desk.outbox.commit(liver, "m1", 3, 1), desk.draw()]);
    await settled();
    expect(server.heard).toEqual(["liver 1 on m1 by A", "commit liver 1 3s", "lease liver", "liver 1 on m2 by A"]);
    expect(desk.conflicts).toEqual([]);
  });

  test("signed out: nothing is lost, and all is sent after signing in", async () => {
    const desk = new Desk(server);
    server.answers = [{ kind: "signed-out" }];
    await desk.draw();
    await settled();
    expect(desk.outbox.state).toMatchObject({ kind: "signed-out", waiting: 1 });
    await desk.outbox.retry();
    expect(desk.outbox.state).toMatchObject({ kind: "saved", waiting: 0 });
  });

  test("what may not be saved for now is kept, said so, and sent when the page is opened again", async () => {
    const store = new IndexedDbStore("given-away");
    const desk = new Desk(server, store);
    server.answers = [{ kind: "refused", why: "the case is ben's", isKept: true }];
    await desk.draw();
    await desk.outbox.commit(liver, "m1", 3, 1);
    await desk.outbox.verdict(liver, "accept", null, { reason: "", seconds: 3 });
    await settled();
    expect(desk.refusals).toEqual(["the case is ben's; what you drew is kept in this browser"]);
    expect(desk.outbox.state).toMatchObject({ kind: "held", waiting: 3 });
    await desk.draw(spleen);
    await settled();
    expect(server.heard.at(-1)).toBe("spleen 1 on m1 by A");
    const later = new Desk(server, new IndexedDbStore("given-away"), "B");
    await later.outbox.resume();
    expect(server.heard.slice(-3)).toEqual(["liver 1 on m1 by A", "commit liver 1 3s by B", "accept liver m2"]);
    expect([later.outbox.state.kind, await store.all()]).toEqual(["saved", []]);
  });

  test("a refusal is an answer: the server is there again", async () => {
    const desk = new Desk(server);
    server.answers = [{ kind: "unreachable" }, { kind: "refused", why: "no" }];
    await desk.draw();
    await settled();
    expect(desk.outbox.state.kind).toBe("offline");
    await desk.outbox.retry();
    expect([desk.refusals, desk.outbox.state.kind]).toEqual([["no"], "saved"]);
  });

  test("what the server refuses for good is named and does not stop the rest", async () => {
    const desk = new Desk(server);
    server.answers = [{ kind: "refused", why: "the box lies outside" }];
    await desk.draw();
    await desk.draw();
    await settled();
    expect(desk.refusals).toEqual(["the box lies outside"]);
    expect(server.heard).toHaveLength(2);
  });
});
