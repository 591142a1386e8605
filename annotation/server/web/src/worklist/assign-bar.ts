/** The line above the list with which reviewers give cases to people. */

import { html, nothing, type TemplateResult } from "lit-html";
import { type Account, assign, type Assigned, people } from "../api/assignments.ts";
import { errorWords } from "../look/error-words.ts";
import { shareOut, type Work } from "./sharing.ts";

const NOBODY = "nobody";
const SHARE = "share";
const PERSON = "person:";

export class AssignBar {
  private accounts: readonly Account[] = [];
  private choice = "";
  private readonly among = new Set<string>();
  private isBusy = false;
  private said: { words: string; kind: "ok" | "warn" | "error" } | null = null;
  private readonly render: () => void;
  private readonly done: () => Promise<void>;

  /** `done`: called after cases were given, before the outcome is said. */
  constructor(render: () => void, done: () => Promise<void>) {
    this.render = render;
    this.done = done;
  }

  /** Other lines were ticked: who shall have them is asked anew. */
  async begin(): Promise<void> {
    this.said = null;
    this.choice = "";
    this.among.clear();
    try {
      this.accounts = await people();
    } catch (error) {
      this.said = { words: `The list of people did not come: ${errorWords(error)}`, kind: "error" };
    }
    this.render();
  }

  template(chosen: readonly Work[], clear: () => void): TemplateResult {
    return html`${chosen.length > 0 ? this.bar(chosen, clear) : nothing}
      <p class="say ${this.said?.kind ?? ""}" id="assigned" role="status" ?hidden=${!this.said}>${this.said?.words}</p>`;
  }

  private bar(chosen: readonly Work[], clear: () => void): TemplateResult {
    const canGive = !this.isBusy && this.choice !== "" && (this.choice !== SHARE || this.among.size > 0);
    return html`
      <div class="bar assign" role="group" aria-label="Assign the selected cases">
        <b>${chosen.length} selected</b>
        <label>assign to <select id="assign-to" .value=${this.choice} @change=${(event: Event) => this.choose((event.target as HTMLSelectElement).value)}>
          <option value="">choose …</option>
          ${this.accounts.map(({ name, role }) => html`<option value=${PERSON + name}>${name}${role === "annotator" ? "" : ` (${role})`}</option>`)}
          <option value=${NOBODY}>nobody: free for all</option>
          ${this.accounts.length > 1 ? html`<option value=${SHARE}>share out among …</option>` : nothing}
        </select></label>
        ${this.choice === SHARE ? this.accounts.map(({ name }) => this.sharer(name)) : nothing}
        <button class="main" ?disabled=${!canGive} @click=${() => void this.give(chosen)}>Assign</button>
        <button @click=${clear}>Clear <kbd>Esc</kbd></button>
        ${this.accounts.length === 0 ? html`<span class="dim">Nobody has an account yet: <code>masksmith users add NAME</code></span>` : nothing}
      </div>`;
  }

  private sharer(name: string): TemplateResult {
    const change = (event: Event): void => {
      if ((event.target as HTMLInputElement).checked) this.among.add(name);
      else this.among.delete(name);
      this.render();
    };
    return html`<label><input type="checkbox" .checked=${this.among.has(name)} @change=${change} /> ${name}</label>`;
  }

  private choose(choice: string): void {
    this.choice = choice;
    this.render();
  }

  private async give(chosen: readonly Work[]): Promise<void> {
    this.isBusy = true;
    this.render();
    try {
      const answers = await this.send(chosen);
      await this.done();
      this.said = outcome(answers);
    } catch (error) {
      await this.done();
      this.said = { words: `Not assigned: ${errorWords(error)}`, kind: "error" };
    }
    this.isBusy = false;
    this.render();
  }

  private async send(chosen: readonly Work[]): Promise<Assigned[]> {
    if (this.choice !== SHARE) {
      return [await assign(chosen.map(({ id }) => id), this.choice === NOBODY ? null : this.choice.slice(PERSON.length))];
    }
    const answers: Assigned[] = [];
    const among = this.accounts.map(({ name }) => name).filter((name) => this.among.has(name));
    for (const [name, ids] of shareOut(chosen, among)) if (ids.length > 0) answers.push(await assign(ids, name));
    return answers;
  }
}

/** What became of it, in one line. */
export function outcome(answers: readonly Assigned[]): { words: string; kind: "ok" | "warn" } {
  const cases = (count: number): string => (count === 1 ? "1 case" : `${count} cases`);
  const given = answers.map(({ assigned, to }) => (to === null ? `${cases(assigned)} free for all` : `${cases(assigned)} to ${to}`));
  const refused = answers.flatMap((answer) => answer.refused).map((each) => `${each.case} (${each.why})`);
  if (refused.length === 0) return { words: `Assigned: ${given.join(", ")}.`, kind: "ok" };
  return { words: `Assigned: ${given.join(", ")}. Left as it was: ${refused.join(", ")}.`, kind: "warn" };
}
