/** The head of the pages that are no editor. */

import { html, nothing, type TemplateResult } from "lit-html";
import { ask } from "../api/http.ts";
import type { Session } from "../api/workbench.ts";

const PAGES = [["Worklist", "./index.html"], ["Gallery", "/gallery/"], ["Progress", "./progress.html"]] as const;

export function pageTop(session: Session, here: string): TemplateResult {
  const leave = async (): Promise<void> => {
    await ask("/api/logout", { method: "POST" });
    location.assign("./login.html");
  };
  return html`
    <h1>${session.workspace}</h1>
    <nav aria-label="Pages">${PAGES.map(([words, address]) => html`<a href=${address} aria-current=${words === here ? "page" : nothing}>${words}</a>`)}</nav>
    <span class="grow"></span>
    <span class="dim">${session.user}, ${session.role}</span>
    <button @click=${() => void leave()}>Sign out</button>`;
}

/** Seconds as people say them. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Working time as a figure and its unit: minutes below one hour. */
export function workTime(hours: number | null): { figure: string; unit: string } {
  if (hours === null) return { figure: "–", unit: "hours" };
  const minutes = Math.round(hours * 60);
  if (minutes < 60) return { figure: String(minutes), unit: minutes === 1 ? "minute" : "minutes" };
  return { figure: hours.toFixed(1), unit: "hours" };
}

/** How long ago a moment was. */
export function ago(iso: string | null, now = Date.now()): string {
  if (!iso) return "";
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (Number.isNaN(seconds)) return "";
  if (seconds < 90) return "just now";
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 129600 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86400)} days ago`;
}
