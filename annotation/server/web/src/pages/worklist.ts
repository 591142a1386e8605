/** The worklist: one line a case. */

import "../look/base.css";
import { html, nothing, render, type TemplateResult } from "lit-html";
import { type BlindTask, blindTask, leftWords } from "../api/blind.ts";
import { isReviewer, type Session, sessionOrLogin, worklist, type Worklist, type WorklistCase } from "../api/workbench.ts";
import { takesText } from "../keys/keymap.ts";
import { errorWords } from "../look/error-words.ts";
import { icon } from "../look/icons.ts";
import { ago, duration, pageTop } from "../look/top.ts";
import { sendLeftBehind } from "../saving/left-behind.ts";
import { AssignBar } from "../worklist/assign-bar.ts";
import { Selection } from "../worklist/selection.ts";

const REFRESH_MS = 15_000;
const BLIND_MS = 60_000;

class WorklistPage {
  private readonly session: Session;
  private list: Worklist | null = null;
  private filter = { q: "", mine: false, open: true };
  private chosen = 0;
  private trouble = "";
  /** What the editor left to be sent. */
  private leftBehind = "";
  private timer = 0;
  private blind: BlindTask | null = null;
  private blindAt = 0;
  private readonly selection = new Selection();
  private readonly bar = new AssignBar(() => this.show(), () => this.given());
  private readonly mayAssign: boolean;

  constructor(session: Session) {
    this.session = session;
    this.mayAssign = isReviewer(session);
    window.addEventListener("keydown", (event) => this.key(event));
    setInterval(() => void this.load(), REFRESH_MS);
    void this.load();
    void this.sendLeftBehind();
  }

  private async sendLeftBehind(): Promise<void> {
    let wasThere = false;
    await sendLeftBehind(this.session, (words) => {
      this.leftBehind = words;
      wasThere ||= words !== "";
      if (this.list) this.show();
    }).catch((error: unknown) => void (this.leftBehind = String(error)));
    if (wasThere) void this.load();
  }

  private async load(): Promise<void> {
    const query = new URLSearchParams({ q: this.filter.q });
    if (this.filter.mine) query.set("mine", "true");
    if (this.filter.open) query.set("open", "true");
    try {
      this.list = await worklist(`?${query}`);
      await this.lookForBlind();
      this.trouble = "";
    } catch (error) {
      this.trouble = errorWords(error);
    }
    this.chosen = Math.min(this.chosen, Math.max(0, (this.list?.cases.length ?? 1) - 1));
    this.selection.keepOnly(this.shown);
    this.show();
  }

  /** Seldom: it costs the server more than the list, and changes rarely. */
  private async lookForBlind(): Promise<void> {
    if (!this.session.blind_share || Date.now() - this.blindAt < BLIND_MS) return;
    this.blindAt = Date.now();
    this.blind = await blindTask();
  }

  private get shown(): string[] {
    return this.list?.cases.map(({ id }) => id) ?? [];
  }

  /** Change which lines are ticked. */
  private tick(change: () => void): void {
    const before = this.selection.size;
    change();
    if (before === 0 && this.selection.size > 0) void this.bar.begin();
    this.show();
  }

  private async given(): Promise<void> {
    this.selection.clear();
    await this.load();
  }

  private change(part: Partial<WorklistPage["filter"]>): void {
    Object.assign(this.filter, part);
    this.chosen = 0;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.load(), 150);
    this.show();
  }

  private key(event: KeyboardEvent): void {
    const cases = this.list?.cases ?? [];
    if (event.key === "Escape" && this.selection.size > 0) return this.tick(() => this.selection.clear());
    if (document.activeElement?.closest(".assign")) return;
    const isTyping = takesText(document.activeElement as HTMLElement | null);
    if (this.mayAssign && !isTyping && this.selects(event)) return event.preventDefault();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      this.chosen = Math.max(0, Math.min(cases.length - 1, this.chosen + (event.key === "ArrowDown" ? 1 : -1)));
      event.preventDefault();
      this.show();
      document.querySelector("tr.on")?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter" && cases[this.chosen] && (isTyping || document.activeElement === document.body)) this.open(cases[this.chosen]);
    else if (event.key === "/" && !isTyping) {
      event.preventDefault();
      document.getElementById("filter")?.focus();
    }
  }

  /** Keys of selecting and assigning; whether it was one. */
  private selects(event: KeyboardEvent): boolean {
    const { shown } = this;
    const isOnLine = document.activeElement === document.body && this.chosen in shown;
    if (event.code === "Space" && isOnLine) {
      const id = shown[this.chosen];
      this.tick(() => (event.shiftKey ? this.selection.reach(id, true, shown) : this.selection.toggle(id)));
    } else if (event.code === "KeyA" && this.selection.size > 0) document.getElementById("assign-to")?.focus();
    else return false;
    return true;
  }

  private open({ id }: WorklistCase): void {
    location.assign(`./editor.html${location.search}#${encodeURIComponent(id)}`);
  }

  private show(): void {
    render(pageTop(this.session, "Worklist"), document.getElementById("top") as HTMLElement);
    render(this.body(), document.getElementById("body") as HTMLElement);
  }

  private body(): TemplateResult {
    const { filter, list } = this;
    const check = (name: "mine" | "open", words: string): TemplateResult => html`
      <label><input type="checkbox" .checked=${filter[name]} @change=${(event: Event) => this.change({ [name]: (event.target as HTMLInputElement).checked })} /> ${words}</label>`;
    return html`
      <h1 class="sr">Worklist</h1>
      ${this.blind ? html`<p class="say" id="blind">${leftWords(this.blind)} · <a href="./editor.html${location.search}#/blind">Draw ${this.blind.left === 1 ? "it" : "the first"}</a></p>` : nothing}
      <div class="bar">
        <input id="filter" type="search" placeholder="/ case, phase, structure, state:flagged, assigned:name" aria-label="Filter" .value=${filter.q}
          @input=${(event: InputEvent) => this.change({ q: (event.target as HTMLInputElement).value })} />
        ${check("mine", "mine")} ${check("open", "open")}
        <span class="grow"></span>
        ${list?.progress ? progress(list.progress) : nothing}
      </div>
      ${this.leftBehind ? html`<p class="say warn" role="status">${this.leftBehind}</p>` : nothing}
      ${this.trouble ? html`<p class="say error" role="alert">${this.trouble} Trying again.</p>` : nothing}
      ${this.mayAssign ? this.bar.template(list?.cases.filter(({ id }) => this.selection.has(id)) ?? [], () => this.tick(() => this.selection.clear())) : nothing}
      ${list && list.cases.length === 0 ? this.empty() : this.table()}`;
  }

  private empty(): TemplateResult {
    if (this.filter.q || this.filter.mine) return html`<p class="empty">No case fits. Empty the filter to see all.</p>`;
    if (this.filter.open && (this.list?.progress?.total ?? 0) > 0) return html`<p class="empty">Nothing is open: every case is decided. Untick “open” to see them.</p>`;
    return html`<p class="empty">No case yet. <code>make intake FROM=/data/cts</code> takes CTs in, then <code>make bootstrap</code> makes first masks.</p>`;
  }

  private table(): TemplateResult {
    return html`
      <table>
        <thead><tr>
          ${this.mayAssign ? this.tickAll() : nothing}
          <th><span class="sr">Picture</span></th><th>Case</th><th>Phase</th><th class="number">Slices</th><th class="number">To check</th>
          <th class="number">Findings</th><th>Last edit</th><th class="number">Time</th><th>State</th><th>Whose</th>
        </tr></thead>
        <tbody>${this.list?.cases.map((each, at) => this.line(each, at))}</tbody>
      </table>`;
  }

  private tickAll(): TemplateResult {
    const count = this.shown.filter((id) => this.selection.has(id)).length;
    return html`<th><input type="checkbox" aria-label="Select all shown" .checked=${count > 0 && count === this.shown.length}
      .indeterminate=${count > 0 && count < this.shown.length}
      @change=${(event: Event) => this.tick(() => this.selection.all(this.shown, (event.target as HTMLInputElement).checked))} /></th>`;
  }

  private tickBox({ id }: WorklistCase, at: number): TemplateResult {
    const clicked = (event: MouseEvent): void => {
      event.stopPropagation();
      const box = event.target as HTMLInputElement;
      // Beside the box is as good as on it.
      const isOn = box.tagName === "INPUT" ? box.checked : !this.selection.has(id);
      if (event.detail > 0) box.blur();
      this.chosen = at;
      this.tick(() => (event.shiftKey ? this.selection.reach(id, isOn, this.shown) : this.selection.set(id, isOn)));
    };
    return html`<td class="tick" @click=${clicked} @mousedown=${(event: MouseEvent) => event.shiftKey && event.preventDefault()}>
      <input type="checkbox" aria-label="Select ${id}" .checked=${this.selection.has(id)} /></td>`;
  }

  private whose({ lease, assigned }: WorklistCase): TemplateResult | string {
    if (!lease) return assigned ?? "";
    if (lease.by === this.session.user) return html`<span class="dim">${icon("person")} you are drawing</span>`;
    return html`<span class="warn">${icon("person")} ${lease.by} is drawing</span>`;
  }

  private line(each: WorklistCase, at: number): TemplateResult {
    return html`
      <tr class="link ${at === this.chosen ? "on" : ""}" @click=${() => this.open(each)}>
        ${this.mayAssign ? this.tickBox(each, at) : nothing}
        <td>${each.thumbnail ? html`<img src=${each.thumbnail} alt="" loading="lazy" />` : nothing}</td>
        <td><a href="./editor.html#${encodeURIComponent(each.id)}">${each.id}</a></td>
        <td>${(each.phase ?? "").replaceAll("_", " ")}</td>
        <td class="number">${each.slices}</td>
        <td class="number">${each.to_check}</td>
        <td class="number ${each.grave_findings ? "warn" : ""}">${each.findings || ""}</td>
        <td>${ago(each.last_edit)}${each.last_by ? html` <span class="dim">${each.last_by}</span>` : nothing}</td>
        <td class="number">${each.seconds ? duration(each.seconds) : ""}</td>
        <td>${state(each)}</td>
        <td>${this.whose(each)}</td>
      </tr>`;
  }
}

function state(each: WorklistCase): TemplateResult {
  const kind = { complete: "ok", excluded: "dim", flagged: "warn" }[each.state] ?? "";
  return html`<span class=${kind}>${each.state.replaceAll("_", " ")}</span>${each.chosen ? html` <span class="dim" title=${each.chosen}>· chosen</span>` : nothing}`;
}

function progress({ round, decided, total }: NonNullable<Worklist["progress"]>): TemplateResult {
  const share = total > 0 ? (100 * decided) / total : 0;
  return html`
    <span>${round === null ? "" : `round ${round}: `}${decided} of ${total} decided</span>
    <span class="meter" role="img" aria-label="${Math.round(share)} % decided"><i .style=${`width:${share}%`}></i></span>`;
}

void sessionOrLogin().then((session) => new WorklistPage(session)).catch((error: unknown) => {
  render(html`<p class="say error">${errorWords(error)}</p>`, document.getElementById("body") as HTMLElement);
});
