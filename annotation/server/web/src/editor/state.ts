/** What the tools are set to, and what the page says. */

import type { HuWindow } from "../display/windows.ts";
import type { PlaneName } from "../geometry/planes.ts";
import type { HuRange } from "../paint/pencil.ts";
import type { Conflict, SaveState } from "../saving/outbox.ts";
import type { Revision } from "../api/workbench.ts";

export type Tool = "pencil" | "eraser" | "grow";

export type Panel =
  | { readonly kind: "keys" }
  | { readonly kind: "flag" }
  | { readonly kind: "absent" }
  | { readonly kind: "cant-tell" }
  | { readonly kind: "copy"; readonly revisions: readonly Revision[] | null; readonly mirror: string | null }
  | { readonly kind: "taken"; readonly by: string }
  | { readonly kind: "conflict"; readonly conflict: Conflict };

/** What stays open when another structure comes: what does not speak of the one that was. */
export function panelAfter(panel: Panel | null): Panel | null {
  return panel?.kind === "keys" || panel?.kind === "conflict" ? panel : null;
}

export interface EditorState {
  tool: Tool;
  radiusMm: number;
  slices: 1 | 3 | 5;
  hu: HuRange | null;
  window: HuWindow;
  mainPlane: PlaneName;
  outlineOnly: boolean;
  hidden: boolean;
  opacity: number;
  find: string;
  panel: Panel | null;
  save: SaveState;
  /** One line for what just happened or what is in the way. */
  notice: { readonly words: string; readonly kind: "ok" | "warn" | "error" } | null;
  loading: string | null;
  under: { readonly name: string; readonly hu: number | null } | null;
}

export const initialState = (window: HuWindow): EditorState => ({
  tool: "pencil", radiusMm: 6, slices: 3, hu: null, window, mainPlane: "axial", outlineOnly: false,
  hidden: false, opacity: 0.35, find: "", panel: null,
  save: { kind: "saved", waiting: 0, edits: 0, savedAt: null }, notice: null, loading: null, under: null,
});

const RADII_MM = [0.5, 0.75, 1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40];

/** The next size up or down. */
export function nextRadius(radiusMm: number, direction: 1 | -1): number {
  const sizes = direction > 0 ? RADII_MM : [...RADII_MM].reverse();
  return sizes.find((size) => (size - radiusMm) * direction > 1e-6) ?? radiusMm;
}

export function savedWords(save: SaveState, now: number): { words: string; kind: "ok" | "dim" | "warn" | "error" } {
  const edits = (count: number): string => (count === 1 ? "1 edit" : `${count} edits`);
  if (save.kind === "signed-out") return { words: `signed out, ${edits(save.waiting)} kept here`, kind: "error" };
  if (save.kind === "offline") return { words: `offline, ${edits(save.waiting)} kept here, retrying`, kind: "warn" };
  if (save.kind === "held") return { words: `${edits(save.waiting)} kept here, not sent`, kind: "warn" };
  if (save.kind === "saving") return { words: "saving …", kind: "dim" };
  if (save.savedAt === null) return { words: "nothing to save", kind: "dim" };
  const seconds = Math.max(0, Math.round((now - save.savedAt) / 1000));
  const ago = seconds < 60 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
  return { words: `saved ${ago} ago · ${edits(save.edits)}`, kind: "ok" };
}
