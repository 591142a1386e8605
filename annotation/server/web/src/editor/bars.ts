/** The lines at the top and the bottom. */

import { html, nothing, type TemplateResult } from "lit-html";
import { icon } from "../look/icons.ts";
import { readOnlyWords } from "./allowed.ts";
import type { Commands } from "./commands.ts";
import type { Editor } from "./editor.ts";
import { shelfOf, spoken } from "./scene.ts";
import { savedWords } from "./state.ts";

export function topBar(editor: Editor, commands: Commands): TemplateResult {
  const { scene, state } = editor;
  if (scene?.info.blind) return blindBar(editor, commands);
  const readOnly = scene && readOnlyWords(scene.info);
  const saved = savedWords(state.save, Date.now());
  const next = scene?.info.next_case ?? null;
  const isReady = next !== null && editor.loader.ready === next;
  return html`
    <a href="./index.html" title="Worklist" @click=${(event: Event) => { event.preventDefault(); commands.run("worklist"); }}>${icon("list")}Worklist</a>
    <h1 id="case">${scene?.info.id ?? "…"}</h1>
    ${scene ? html`<span class="dim">${facts(editor)}</span><span>${place(editor)}</span>` : nothing}
    <span class="grow"></span>
    ${readOnly ? html`<span class="warn" id="read-only">${icon("lock")}${readOnly}</span>` : nothing}
    <span id="saved" class=${saved.kind} role="status" data-waiting=${state.save.waiting}>${saved.words}</span>
    <span class="dim" id="next" data-ready=${String(isReady)}>${next === null ? "no next case" : isReady ? `next ${next} ready` : `next ${next} …`}</span>
    <button class="main" @click=${() => commands.run("next-case")}>Next case ${icon("next")}</button>
    <button title="All keys" aria-label="All keys" @click=${() => commands.run("help")}>${icon("keys")}</button>`;
}

/** In a blind drawing: no case, no next one, nothing to compare with. */
function blindBar(editor: Editor, commands: Commands): TemplateResult {
  const { scene, state, blind } = editor;
  const saved = savedWords(state.save, Date.now());
  return html`
    <a href="./index.html" title="Worklist" @click=${(event: Event) => { event.preventDefault(); commands.run("worklist"); }}>${icon("list")}Worklist</a>
    <h1 id="blind">Blind: ${spoken(scene?.active?.name ?? "")}</h1>
    <span class="dim">${facts(editor)}</span>
    <span>from the proposal, other masks hidden${blind ? html` <span class="dim">· ${blind.more ? "more than " : ""}${blind.left} left</span>` : nothing}</span>
    <span class="grow"></span>
    <span id="saved" class=${saved.kind} role="status" data-waiting=${state.save.waiting}>${saved.words}</span>
    <button class="main" @click=${() => commands.run("accept")}>Done <kbd>Enter</kbd></button>
    <button title="All keys" aria-label="All keys" @click=${() => commands.run("help")}>${icon("keys")}</button>`;
}

function facts({ scene }: Editor): string {
  if (!scene) return "";
  const { dims, spacingMm } = scene.grid;
  const spacing = spacingMm.map((mm) => Number(mm.toFixed(2)));
  const shown = new Set(spacing).size === 1 ? `${spacing[0]} mm` : `${spacing.join(" × ")} mm`;
  return [scene.info.phase?.replaceAll("_", " "), shown, dims.join("×")].filter(Boolean).join(" · ");
}

function place({ scene }: Editor): string {
  if (!scene?.active) return "";
  const order = scene.inOrder();
  const left = scene.entries.filter((entry) => shelfOf(entry) === "to check").length;
  return `structure ${order.indexOf(scene.active) + 1} / ${order.length} · ${left} to check`;
}

const PENCIL_KEYS = [
  ["wheel", "slice"], ["Ctrl wheel", "zoom"], ["Shift wheel", "radius"], ["right drag", "erase"], ["middle drag", "pan"],
  ["Space", "hide masks"], ["Ctrl Z", "undo"], ["Enter", "accept, next"], ["?", "all keys"],
];
const GROW_KEYS = [["click", "seed"], ["T", "HU limit at the cursor"], ["Ctrl Z", "undo"], ["Esc", "back to the pencil"], ["?", "all keys"]];

export function bottomBar(editor: Editor): TemplateResult {
  const keys = editor.state.tool === "grow" ? GROW_KEYS : PENCIL_KEYS;
  return html`${keys.map(([key, does]) => html`<span><kbd>${key}</kbd> ${does}</span>`)}`;
}
