/** The left side: structures by what is left to do with them. */

import { html, nothing, type TemplateResult } from "lit-html";
import { icon } from "../look/icons.ts";
import { type Entry, type Scene, SHELVES, type Shelf, shelfOf, spoken } from "./scene.ts";
import type { Editor } from "./editor.ts";

const HEADINGS: Record<Shelf, string> = {
  "to check": "To check", accepted: "Accepted", "no mask yet": "No mask yet", "not in image": "Not in image",
};

export function sideList(editor: Editor): TemplateResult {
  const { scene, state } = editor;
  const wanted = state.find.trim().toLowerCase();
  const fits = (entry: Entry): boolean => spoken(entry.name).toLowerCase().includes(wanted) || entry.name.includes(wanted);
  return html`
    <input class="find" id="find" type="search" placeholder="/ find a structure" aria-label="Find a structure"
      autocomplete="off" .value=${state.find}
      @input=${(event: InputEvent) => { state.find = (event.target as HTMLInputElement).value; editor.changed(); }}
      @keydown=${(event: KeyboardEvent) => found(editor, event, fits)} />
    <nav class="list" aria-label="Structures">
      ${scene ? SHELVES.map((shelf) => shelfOnPage(editor, scene, shelf, fits)) : nothing}
    </nav>`;
}

function shelfOnPage(editor: Editor, scene: Scene, shelf: Shelf, fits: (entry: Entry) => boolean): TemplateResult | typeof nothing {
  const entries = scene.entries.filter((entry) => shelfOf(entry) === shelf && fits(entry));
  if (entries.length === 0) return nothing;
  return html`<h2 class="shelf">${HEADINGS[shelf]} · ${entries.length}</h2>${entries.map((entry) => line(editor, scene, entry))}`;
}

function line(editor: Editor, scene: Scene, entry: Entry): TemplateResult {
  const isActive = entry === scene.active;
  const ml = scene.volumeMl(entry);
  return html`
    <button class="structure ${isActive ? "on" : ""}" data-structure=${entry.name} aria-current=${isActive ? "true" : nothing}
      title=${title(entry)} @click=${() => editor.activate(entry, true)}>
      <i class="swatch" .style=${`background:${entry.colour}`}></i>
      <span class="name">${spoken(entry.name)}</span>
      <span class="ml">${entry.voxels > 0 ? `${millilitres(ml)} ml` : ""}</span>
      ${mark(entry)}
    </button>
    ${isActive ? entry.findings.map((finding) => html`<span class="finding">${finding.words}</span>`) : nothing}`;
}

function mark(entry: Entry): TemplateResult {
  if (entry.takenBy) return html`<span class="warn">${icon("person")}<span class="sr">${entry.takenBy} is drawing</span></span>`;
  if (entry.state === "flagged") return html`<span class="warn">${icon("flag")}<span class="sr">flagged</span></span>`;
  if (entry.strokes > 0) return html`<span class="ok">${icon("pencil")}<span class="sr">draft</span></span>`;
  if (entry.findings.length > 0 && !entry.locked) return html`<span class="warn">${icon("warning")}<span class="sr">finding</span></span>`;
  if (entry.locked) return html`<span class="dim">${icon("lock")}<span class="sr">locked</span></span>`;
  return html`<span></span>`;
}

function title(entry: Entry): string {
  const taken = entry.takenBy ? [`${entry.takenBy} is drawing`] : [];
  const state = { absent_fov: "absent: out of view", absent_anatomy: "absent: not there anatomically" }[entry.state as string] ?? entry.state;
  return [spoken(entry.name), state, ...taken, ...entry.findings.map(({ words }) => words)].join("\n");
}

export function millilitres(ml: number): string {
  return ml >= 100 ? Math.round(ml).toLocaleString("en").replaceAll(",", " ") : ml.toFixed(ml >= 10 ? 1 : 2);
}

/** Enter in the field takes the first that fits; Escape empties it. */
function found(editor: Editor, event: KeyboardEvent, fits: (entry: Entry) => boolean): void {
  if (event.key !== "Enter" && event.key !== "Escape") return;
  const first = event.key === "Enter" ? editor.scene?.inOrder().find(fits) : undefined;
  editor.state.find = "";
  (event.target as HTMLElement).blur();
  if (first) editor.activate(first, true);
  editor.changed();
}
