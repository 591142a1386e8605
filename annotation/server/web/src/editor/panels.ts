/** The side panel: keys, flag, absent, can't tell, copy, conflict. Nothing in it stops the work behind it. */

import { html, nothing, type TemplateResult } from "lit-html";
import { windowName } from "../display/windows.ts";
import { GESTURES, namedBindings } from "../keys/keymap.ts";
import { choicesOf, take } from "./choices.ts";
import type { Commands } from "./commands.ts";
import type { Editor } from "./editor.ts";
import { spoken } from "./scene.ts";
import type { Panel } from "./state.ts";

const GROUPS = { draw: "Draw", structure: "Structure", move: "Move", look: "Look", case: "Case" } as const;

export function sidePanel(editor: Editor, commands: Commands): TemplateResult | typeof nothing {
  const { panel } = editor.state;
  if (!panel) return nothing;
  const [title, body] = content(panel, editor, commands);
  return html`<header><h3>${title}</h3><button @click=${() => commands.run("cancel")} aria-label="Esc: close">Esc</button></header>${body}`;
}

function content(panel: Panel, editor: Editor, commands: Commands): [string, TemplateResult] {
  const name = spoken(editor.scene?.active?.name ?? "");
  const choices = choicesOf(panel, editor, commands).map((choice) => html`
    <button class="choice" data-choice=${choice.key} @click=${() => take(choice, editor)}><span>${choice.words}</span><kbd>${choice.key}</kbd></button>`);
  switch (panel.kind) {
    case "keys":
      return ["All keys", keys(editor)];
    case "flag":
      return [`Flag ${name}`, html`${choices}`];
    case "absent":
      return [`${name} is absent`, html`
        <p class="dim">Absent is a decision: the structure counts as background here.</p>${choices}`];
    case "cant-tell":
      return ["Can't tell", html`
        <p class="dim">The whole case is left out of training, with this reason. What was drawn stays.</p>${choices}`];
    case "copy":
      return [`Copy into ${name}`, html`${choices}${revisionsIn(panel, commands)}`];
    case "taken":
      return [`${panel.by} is drawing ${name}`, html`
        <p class="dim">You may look. What ${panel.by} drew so far stays ${panel.by}'s own draft if you take it over.</p>${choices}`];
    case "conflict":
      return ["A newer version is on the server", html`${conflictWords(panel)}${choices}`];
  }
}

function keys({ presets }: Editor): TemplateResult {
  const bindings = namedBindings(presets.map(windowName));
  return html`
    <h2>Mouse, pen, touchpad</h2>
    <dl class="keys">${GESTURES.map(({ shown, does }) => html`<dt><kbd>${shown}</kbd></dt><dd>${does}</dd>`)}</dl>
    ${Object.entries(GROUPS).map(([group, title]) => html`
      <h2>${title}</h2>
      <dl class="keys">${bindings.filter((each) => each.group === group).map(({ shown, does }) => html`<dt><kbd>${shown}</kbd></dt><dd>${does}</dd>`)}</dl>`)}`;
}

function revisionsIn({ revisions }: Panel & { kind: "copy" }, commands: Commands): TemplateResult {
  return html`
    <h2>Revisions</h2>
    ${revisions === null ? html`<p class="dim">loading …</p>` : nothing}
    ${revisions?.length === 0 ? html`<p class="dim">There is no other mask of it yet.</p>` : nothing}
    ${revisions?.map((revision) => html`
      <button class="choice" data-revision=${revision.id} @click=${() => void commands.copyRevision(revision.id)}>
        <span>${revision.maker.replace(/^(person|model):/, "")}${revision.round === null ? "" : `, round ${revision.round}`}
          <span class="dim">${revision.origin} · ${revision.created.slice(0, 16).replace("T", " ")} · ${revision.voxels} voxels</span></span>
        ${revision.in_force ? html`<span class="ok">in force</span>` : nothing}
      </button>`)}`;
}

function conflictWords({ conflict }: Panel & { kind: "conflict" }): TemplateResult {
  const who = conflict.current?.by || "somebody";
  return html`<p>${who} saved <b>${spoken(conflict.structure)}</b> of ${conflict.caseId} while you were drawing it. Both versions stay; which one counts?</p>`;
}
