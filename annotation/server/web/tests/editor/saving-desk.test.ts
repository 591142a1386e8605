import { afterEach, expect, test, vi } from "vitest";
import type { Session } from "../../src/api/workbench.ts";
import { SavingDesk } from "../../src/editor/saving-desk.ts";
import type { Entry, Scene } from "../../src/editor/scene.ts";

afterEach(() => vi.unstubAllGlobals());

const opened = async (answer: () => Promise<Response>): Promise<{ isOpen: boolean; said: string[] }> => {
  vi.stubGlobal("localStorage", { getItem: () => null, setItem: () => undefined });
  vi.stubGlobal("fetch", answer);
  const said: string[] = [];
  const listener = {
    saveChanged: () => undefined, conflict: () => undefined, maskChanged: () => undefined, committed: () => undefined,
    taken: () => undefined, lookAgain: () => undefined, idleSeconds: () => 0, refused: (words: string) => void said.push(words),
  };
  const desk = new SavingDesk({ workspace: "w", user: "anna" } as Session, listener);
  const entry = { name: "liver", isOpen: false, takenBy: null } as Entry;
  const scene = { info: { id: "s1" }, targetOf: () => ({ caseId: "s1", structure: "liver" }) } as unknown as Scene;
  await desk.open(scene, entry);
  return { isOpen: entry.isOpen, said };
};

const refusing = (status: number, error: string) => () => Promise.resolve(new Response(JSON.stringify({ error }), { status }));

test("who is signed out, or may not draw, is told so and does not wait for ever", async () => {
  const signedOut = await opened(refusing(401, "not signed in"));
  expect([signedOut.isOpen, signedOut.said.join()]).toEqual([false, expect.stringContaining("Sign in again")]);
  expect(await opened(refusing(403, "a viewer may not draw"))).toEqual({ isOpen: false, said: ["liver: a viewer may not draw"] });
});

test("without a network one goes on drawing", async () => {
  expect(await opened(() => Promise.reject(new TypeError("offline")))).toEqual({ isOpen: true, said: [] });
});
