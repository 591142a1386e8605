import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PatchItem, VerdictItem } from "../../src/saving/outbox-item.ts";
import { HttpTransport } from "../../src/saving/transport.ts";
import { useCsrf } from "../../src/api/http.ts";

const target = { caseId: "s 1", structure: "liver" };
const patch: PatchItem = {
  ...target, kind: "patch", key: 1, madeAt: 0, box: [1, 2, 3, 4, 5, 6], body: Uint8Array.of(7), base: null, client: "A", sequence: 3,
};
const verdict: VerdictItem = { ...target, kind: "verdict", key: 2, madeAt: 0, decision: "accept", mask: "m1", reason: "", seconds: 4, id: "u" };
const calls: { url: string; init: RequestInit }[] = [];
let answers: (Response | Error)[] = [];
const transport = new HttpTransport("lab", "eva");

beforeEach(() => {
  useCsrf("token");
  calls.length = 0;
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    calls.push({ url, init });
    const answer = answers.shift() ?? new Response("{}");
    if (answer instanceof Error) throw answer;
    return answer;
  });
});
afterEach(() => vi.unstubAllGlobals());

const json = (body: unknown, status = 200): Response => new Response(JSON.stringify(body), { status });

test("a patch names base, box and client, is packed, and carries the token", async () => {
  answers = [json({ sequence: 3 })];
  expect(await transport.patch(patch, { base: null, sequence: 2 })).toEqual({ kind: "done", mask: undefined });
  expect(calls[0].url).toBe("/api/cases/s%201/masks/liver/draft/3?base=none&box=1%2C2%2C3%2C4%2C5%2C6&client=A");
  expect(calls[0].init.headers).toMatchObject({ "X-Masksmith-CSRF": "token", "Content-Encoding": "gzip" });
});

test.each([
  [new TypeError("no network"), { kind: "unreachable" }],
  [json({}, 503), { kind: "unreachable" }],
  [json({}, 429), { kind: "unreachable" }],
  [json({}, 401), { kind: "signed-out" }],
  [json({ error: "box outside", what_to_do: "load anew" }, 422), { kind: "refused", why: "box outside load anew" }],
  [json({ current: { id: "m9", by: "ben" }, yours: { mask_id: "m2" } }, 409), { kind: "conflict", current: { id: "m9", by: "ben" }, mine: "m2" }],
])("what an answer means for a patch (%#)", async (answer, meaning) => {
  answers = [answer];
  expect(await transport.patch(patch, { base: "m1", sequence: 2 })).toMatchObject(meaning);
});

test("what may not be sent for now is kept", async () => {
  answers = [json({ error: "assigned to ben" }, 403)];
  expect(await transport.patch(patch, { base: "m1", sequence: 2 })).toEqual({ kind: "refused", why: "assigned to ben", isKept: true });
});

const stale = (): Response => json({ error: "the page is not of this session", stale_session: true }, 403);
const tokens = (): unknown[] => calls.map(({ init }) => (init.headers as Record<string, string>)["X-Masksmith-CSRF"]);

test("who signed in anew in another tab goes on here, with that session's token", async () => {
  answers = [stale(), json({ user: "eva", csrf: "new" }), json({ sequence: 3 })];
  expect(await transport.patch(patch, { base: "m1", sequence: 2 })).toEqual({ kind: "done", mask: undefined });
  expect(tokens()).toEqual(["token", undefined, "new"]);
});

test("what one person drew is never sent in the name of another", async () => {
  answers = [stale(), json({ user: "ben", csrf: "bens" })];
  expect(await transport.patch(patch, { base: "m1", sequence: 2 })).toEqual({ kind: "signed-out" });
  answers = [stale(), json({ user: "ben", csrf: "bens" })];
  expect(await transport.lease(target)).toEqual({ kind: "signed-out" });
  expect(tokens()).toEqual(["token", undefined, "token", undefined]);
});

test("a draft goes on from its own base", async () => {
  answers = [json({ base: "m9", until: "", draft: { sequence: 4, base: "m1" } })];
  expect(await transport.lease(target)).toEqual({ kind: "leased", lease: { base: "m1", sequence: 4 } });
});

test("a mask that somebody else has is looked at, not taken", async () => {
  answers = [json({ by: "ben", until: "" }, 409), json({ base: "m9", until: null, draft: null })];
  expect(await transport.lease(target)).toEqual({ kind: "leased", lease: { base: "m9", sequence: 0 }, takenBy: "ben" });
  expect(calls.map(({ init }) => init.body)).toEqual(['{"take":true}', '{"take":false}']);
});

test("a blind drawing says so at every step, and names the proposal it begins from", async () => {
  const blind = { ...target, blind: "m1" };
  answers = [json({ base: "m1", until: null, draft: null }), json({ sequence: 3 }), json({ mask_id: "m7" }, 201)];
  expect(await transport.lease(blind)).toEqual({ kind: "leased", lease: { base: "m1", sequence: 0 } });
  await transport.patch({ ...patch, ...blind }, { base: "m1", sequence: 2 });
  const commit = { ...blind, kind: "commit", key: 4, madeAt: 0, base: "m1", seconds: 5, strokes: 2, asked: null } as const;
  expect(await transport.commit(commit, { client: "A", base: "m1", sequence: 3 })).toEqual({ kind: "done", mask: "m7" });
  expect(calls[0].init.body).toBe('{"take":true,"blind":"m1"}');
  expect(calls[1].url).toContain("&client=A&blind=true");
  expect(JSON.parse(String(calls[2].init.body))).toEqual({ base: "m1", client: "A", sequence: 3, seconds: 5, strokes: 2, blind: true });
});

test("a verdict that was not taken in is refused with the reason", async () => {
  answers = [json({ results: [{ status: "failed", note: "assigned to somebody else" }] })];
  expect(await transport.verdict(verdict)).toEqual({ kind: "refused", why: "assigned to somebody else" });
  const document = JSON.parse(String(calls[0].init.body));
  expect(document.verdicts).toEqual([expect.objectContaining({ case: "s 1", structure: "liver", mask: "m1", decision: "accept", id: "u" })]);
});

test("can't tell is about the case, not a structure", async () => {
  await transport.verdict({ ...verdict, decision: "exclude_case" });
  const [sent] = JSON.parse(String(calls[0].init.body)).verdicts;
  expect([sent.structure, sent.mask]).toEqual([null, null]);
});
