import { afterEach, expect, test, vi } from "vitest";
import type { Session } from "../../src/api/workbench.ts";
import { sendLeftBehind } from "../../src/saving/left-behind.ts";
import { MemoryStore } from "../../src/saving/store.ts";

const store = vi.hoisted(() => ({ held: null as MemoryStore | null }));
vi.mock("../../src/saving/store.ts", async (original) => ({
  ...(await original<typeof import("../../src/saving/store.ts")>()),
  storeOf: () => ({ name: "lab-anna", store: store.held }),
}));
afterEach(() => vi.unstubAllGlobals());

const session = { workspace: "lab", user: "anna" } as Session;
const verdict = { caseId: "s1", structure: "liver", kind: "verdict", decision: "accept", mask: "m1", id: "v1", reason: "", seconds: 1, madeAt: 0 } as const;

/** Browser and server: what was sent, and whether another tab would have its turn. */
function world() {
  store.held = new MemoryStore();
  const at = { isOnline: false, sent: [] as string[], isFree: true, page: new EventTarget() };
  vi.stubGlobal("window", at.page);
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
  vi.stubGlobal("navigator", { locks: { request: async (_: string, held: () => Promise<void>) => {
    at.isFree = false;
    await held();
    at.isFree = true;
  } } });
  vi.stubGlobal("fetch", async (path: string) => {
    if (!at.isOnline) throw new TypeError("offline");
    at.sent.push(path);
    return new Response(JSON.stringify({ results: [] }));
  });
  return at;
}

test("offline it keeps its turn, and sends once when the network is back", async () => {
  const at = world();
  const said: string[] = [];
  await store.held?.add(verdict);
  await sendLeftBehind(session, (words) => void said.push(words));
  expect([at.isFree, at.sent, said.at(-1)]).toEqual([false, [], "1 kept here, being sent."]);
  at.isOnline = true;
  at.page.dispatchEvent(new Event("online"));
  await vi.waitFor(() => expect(at.isFree).toBe(true));
  at.page.dispatchEvent(new Event("online"));
  expect([at.sent, said.at(-1), await store.held?.all()]).toEqual([["/api/verdicts"], "", []]);
});

test("with nothing to send, or a store that cannot be read, the next has its turn", async () => {
  const at = world();
  await sendLeftBehind(session, () => undefined);
  await vi.waitFor(() => expect(at.isFree).toBe(true));
  vi.spyOn(store.held as MemoryStore, "all").mockRejectedValue(new Error("broken"));
  await expect(sendLeftBehind(session, () => undefined)).rejects.toThrow("broken");
  await vi.waitFor(() => expect(at.isFree).toBe(true));
});
