/** The side panel: keys, flag, absent, can't tell, copy, conflict. Nothing in it stops the work behind it. */

import { html, nothing, type TemplateResult } from "lit-html";
import { BINDINGS, GESTURES } from "../keys/keymap.ts";
import { type Commands, FLAG_REASONS } from "./commands.ts";
import type { Editor } from "./editor.ts";
import { spoken } from "./scene.ts";
import type { Panel } from "./state.ts";

const GROUPS = { draw: "Draw", structure: "Structure", move: "Move", look: "Look", case: "Case" } as const;
const CANT_TELL = ["too noisy", "artefacts", "anatomy cannot be made out", "not a usable CT"];

export function sidePanel(editor: Editor, commands: Commands): TemplateResult | typeof nothing {
  const { panel } = editor.state;
  if (!panel) return nothing;
  const [title, body] = content(panel, editor, commands);
  return html`<header><h3>${title}</h3><button @click=${() => commands.run("cancel")} aria-label="Close">Esc</button></header>${body}`;
}

function content(panel: Panel, editor: Editor, commands: Commands): [string, TemplateResult] {
  const name = spoken(editor.scene?.active?.name ?? "");
  switch (panel.kind) {
    case "keys":
      return ["All keys", keys()];
    case "flag":
      return [`Flag ${name}`, choices(FLAG_REASONS, (reason) => commands.flag(reason), { words: "Flag without a reason", key: "X", run: () => commands.flag("") })];
    case "absent":
      return [`${name} is absent`, html`
        <p class="dim">Absent is a decision: the structure counts as background here.</p>
        ${choices(["out of view: the scan does not reach it", "anatomically: removed, or never there"], (_, at) => commands.absent(at === 0 ? "absent_fov" : "absent_anatomy"))}`];
    case "cant-tell":
      return ["Can't tell", html`
        <p class="dim">The whole case is left out of training, with this reason. What was drawn stays.</p>
        ${choices(CANT_TELL, (reason) => commands.cantTell(reason))}`];
    case "copy":
      return [`Copy into ${name}`, copies(panel, commands)];
    case "conflict":
      return ["A newer version is on the server", conflictChoice(panel, editor)];
  }
}

function choices(words: readonly string[], choose: (words: string, at: number) => void, last?: { words: string; key: string; run: () => void }): TemplateResult {
  return html`
    ${words.map((each, at) => html`<button class="choice" data-choice=${at + 1} @click=${() => choose(each, at)}><span>${each}</span><kbd>${at + 1}</kbd></button>`)}
    ${last ? html`<button class="choice" data-choice="plain" @click=${last.run}><span>${last.words}</span><kbd>${last.key}</kbd></button>` : nothing}`;
}

function keys(): TemplateResult {
  return html`
    <h2>Mouse, pen, touchpad</h2>
    <dl class="keys">${GESTURES.map(({ shown, does }) => html`<dt><kbd>${shown}</kbd></dt><dd>${does}</dd>`)}</dl>
    ${Object.entries(GROUPS).map(([group, title]) => html`
      <h2>${title}</h2>
      <dl class="keys">${BINDINGS.filter((each) => each.group === group).map(({ shown, does }) => html`<dt><kbd>${shown}</kbd></dt><dd>${does}</dd>`)}</dl>`)}`;
}

function copies(panel: Panel & { kind: "copy" }, commands: Commands): TemplateResult {
  return html`
    ${panel.mirror ? html`<button class="choice" data-choice="1" @click=${() => commands.copyMirror()}><span>mirror of ${spoken(panel.mirror)}</span><kbd>1</kbd></button>` : nothing}
    <h2>Revisions</h2>
    ${panel.revisions === null ? html`<p class="dim">loading …</p>` : nothing}
    ${panel.revisions?.length === 0 ? html`<p class="dim">There is no other mask of it yet.</p>` : nothing}
    ${panel.revisions?.map((revision) => html`
      <button class="choice" data-revision=${revision.id} @click=${() => void commands.copyRevision(revision.id)}>
        <span>${revision.maker.replace(/^(person|model):/, "")}${revision.round === null ? "" : `, round ${revision.round}`}
          <span class="dim">${revision.origin} · ${revision.created.slice(0, 16).replace("T", " ")} · ${revision.voxels} voxels</span></span>
        ${revision.in_force ? html`<span class="ok">in force</span>` : nothing}
      </button>`)}`;
}

function conflictChoice({ conflict }: Panel & { kind: "conflict" }, editor: Editor): TemplateResult {
  const who = conflict.current?.by || "somebody";
  const settle = (how: "takeTheirs" | "keepMine"): void => {
    editor.state.panel = null;
    if (editor.scene) void editor.desk[how](editor.scene, conflict).catch((error: unknown) => editor.refused(String(error)));
    editor.changed();
  };
  return html`
    <p>${who} saved <b>${spoken(conflict.structure)}</b> of ${conflict.caseId} while you were drawing it. Both versions stay; which one counts?</p>
    <button class="choice" data-choice="1" @click=${() => settle("takeTheirs")}><span>take theirs</span><kbd>1</kbd></button>
    <button class="choice" data-choice="2" @click=${() => settle("keepMine")}><span>keep mine</span><kbd>2</kbd></button>`;
}
