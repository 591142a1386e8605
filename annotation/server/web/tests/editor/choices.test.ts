import { expect, test, vi } from "vitest";
import type { Revision } from "../../src/api/workbench.ts";
import { chooses } from "../../src/editor/choices.ts";
import { Commands } from "../../src/editor/commands.ts";
import type { Editor } from "../../src/editor/editor.ts";
import { initialState, panelAfter } from "../../src/editor/state.ts";

/** An editor that nothing draws: what is chosen must not depend on what is on the screen yet. */
function desk() {
  const entries = ["liver", "spleen"].map((name) => ({ name, state: "proposed", strokes: 0, maskId: "m1", voxels: 9, locked: false }));
  const decided: string[] = [];
  const editor = {
    state: initialState({ name: "soft", lowHu: -160, highHu: 240 }), said: "", picture: { brush: null }, obstacle: null,
    scene: { info: { id: "s1" }, entries, active: entries[0], volume: {}, setLocked: () => undefined },
    timer: { sign: () => undefined }, settleTime: () => undefined, changed: () => undefined, take: vi.fn(() => false),
    say: (words: string) => { editor.said = words; },
    nextToCheck: () => { editor.scene.active = entries[1]; },
    desk: { decide: (_: unknown, entry: { name: string }, decision: string, reason: string) => decided.push([entry.name, decision, reason].join(" ").trim()) },
  };
  const commands = new Commands(editor as unknown as Editor, () => null);
  const press = (key: string, more: Partial<KeyboardEvent> = {}): boolean => chooses(
    { key, code: /\d/.test(key) ? `Digit${key}` : `Key${key.toUpperCase()}`, ctrlKey: false, metaKey: false, altKey: false, repeat: false, ...more },
    editor as unknown as Editor, commands,
  );
  return { editor, commands, press, decided, entries };
}

test("a digit right after A decides, and leaves the pencil alone", () => {
  const { editor, commands, press, decided, entries } = desk();
  expect(press("2")).toBe(false);
  commands.run("absent");
  expect(press("2")).toBe(true);
  expect([decided, entries[0].state, editor.state.panel, editor.state.slices]).toEqual([["liver absent_anatomy"], "absent_anatomy", null, 3]);
});

test("X takes a reason by its digit, or none by X again", () => {
  const { editor, commands, press, decided, entries } = desk();
  commands.run("flag");
  press("1");
  editor.scene.active = entries[1];
  commands.run("flag");
  press("x");
  expect(decided).toEqual(["liver fix leaks into a neighbour", "spleen fix"]);
});

test("a key that is held, or with Ctrl, chooses nothing", () => {
  const { editor, commands, press, decided } = desk();
  commands.run("flag");
  expect([press("x", { repeat: true }), press("1", { ctrlKey: true })]).toEqual([true, false]);
  expect([decided, editor.state.panel?.kind]).toEqual([[], "flag"]);
});

test("no panel of a structure opens before there is one", () => {
  const { editor, commands } = desk();
  Object.assign(editor.scene, { active: null });
  commands.run("absent");
  expect([editor.state.panel, editor.said]).toEqual([null, "Choose a structure first."]);
});

test("another structure closes what speaks of the one before, and nothing else", () => {
  expect([panelAfter({ kind: "keys" }), panelAfter({ kind: "absent" }), panelAfter({ kind: "copy", revisions: null, mirror: null })]).toEqual([{ kind: "keys" }, null, null]);
});

const json = (body: unknown): Response => new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });

test("an empty mask is no mask to accept", () => {
  const { editor, commands, decided, entries } = desk();
  Object.assign(entries[0], { voxels: 0, strokes: 1 });
  commands.run("accept");
  expect([decided, entries[0].state, editor.said]).toEqual([[], "proposed", "liver has no mask yet. Draw it, or press A if it is not there."]);
});

test("revisions that come late are not offered for another structure", async () => {
  const { editor, commands, entries } = desk();
  const answers: ((response: Response) => void)[] = [];
  vi.stubGlobal("fetch", () => new Promise<Response>((done) => answers.push(done)));
  commands.run("copy");
  editor.scene.active = entries[1];
  commands.run("copy");
  answers[0](json([{ id: "of liver" } as Revision]));
  await vi.waitFor(() => expect(editor.state.panel).toEqual({ kind: "copy", revisions: null, mirror: null }));
  await new Promise((done) => setTimeout(done));
  expect(editor.state.panel).toEqual({ kind: "copy", revisions: null, mirror: null });
  answers[1](json([{ id: "of spleen" } as Revision]));
  await vi.waitFor(() => expect(editor.state.panel).toMatchObject({ revisions: [{ id: "of spleen" }] }));
});

test("a copy that comes after its structure was left draws nothing", async () => {
  const { editor, commands, entries } = desk();
  vi.stubGlobal("fetch", () => {
    editor.scene.active = entries[1];
    return Promise.resolve(new Response(Uint8Array.of(1), { headers: { "X-Masksmith-Box": "0,0,0,1,1,1", "X-Masksmith-Mask": "m2" } }));
  });
  await commands.copyRevision("m2");
  expect(editor.said).toContain("liver was left");
  expect(editor.take).not.toHaveBeenCalled();
});
