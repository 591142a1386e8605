/** What an open panel offers: drawn as buttons, and taken by their keys as soon as the panel is open. */

import type { Commands } from "./commands.ts";
import type { Editor } from "./editor.ts";
import { spoken } from "./scene.ts";
import type { Panel } from "./state.ts";

const FLAG_REASONS = ["leaks into a neighbour", "part is missing", "wrong side or level", "rough edge", "other"];
const CANT_TELL = ["too noisy", "artefacts", "anatomy cannot be made out", "not a usable CT"];
const ABSENT = ["out of view: the scan does not reach it", "anatomically: removed, or never there"];

export interface Choice {
  readonly words: string;
  /** A digit, by what it writes, or a letter, by its place. */
  readonly key: string;
  readonly run: () => void;
}

export function choicesOf(panel: Panel | null, editor: Editor, commands: Commands): readonly Choice[] {
  switch (panel?.kind) {
    case "flag":
      return [...numbered(FLAG_REASONS, (reason) => commands.flag(reason)), { words: "Flag without a reason", key: "X", run: () => commands.flag("") }];
    case "absent":
      return numbered(ABSENT, (_, at) => commands.absent(at === 0 ? "absent_fov" : "absent_anatomy"));
    case "cant-tell":
      return numbered(CANT_TELL, (reason) => commands.cantTell(reason));
    case "copy":
      return panel.mirror ? numbered([`mirror of ${spoken(panel.mirror)}`], () => commands.copyMirror()) : [];
    case "taken":
      return [{ words: "Take it over", key: "M", run: () => takeOver(editor) }];
    case "conflict":
      return numbered(["take theirs", "keep mine"], (_, at) => settle(panel, editor, at === 0 ? "takeTheirs" : "keepMine"));
    default:
      return [];
  }
}

function numbered(words: readonly string[], choose: (words: string, at: number) => void): Choice[] {
  return words.map((each, at) => ({ words: each, key: String(at + 1), run: () => choose(each, at) }));
}

function settle({ conflict }: Panel & { kind: "conflict" }, editor: Editor, how: "takeTheirs" | "keepMine"): void {
  editor.state.panel = null;
  if (editor.scene) void editor.desk[how](editor.scene, conflict).catch((error: unknown) => editor.refused(String(error)));
}

function takeOver(editor: Editor): void {
  editor.state.panel = null;
  void editor.takeOver().catch((error: unknown) => editor.refused(String(error)));
}

type Press = Pick<KeyboardEvent, "code" | "key" | "ctrlKey" | "metaKey" | "altKey" | "repeat">;

/** Take the choice that a key stands for; whether there was one. A key that is held takes none. */
export function chooses(event: Press, editor: Editor, commands: Commands): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  const choice = choicesOf(editor.state.panel, editor, commands).find(({ key }) => event.key === key || event.code === `Key${key}`);
  if (choice && !event.repeat) take(choice, editor);
  return choice !== undefined;
}

export function take(choice: Choice, editor: Editor): void {
  editor.timer.sign();
  choice.run();
  editor.changed();
}
