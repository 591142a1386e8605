/** What may be done in the case on the screen: all of it, only looking, or one blind drawing. */

import type { CaseInfo } from "../api/workbench.ts";
import type { Command } from "../keys/keymap.ts";

type About = Pick<CaseInfo, "editable" | "assigned" | "blind">;

const CHANGING = new Set<Command>([
  "accept", "flag", "absent", "cant-tell", "lock", "copy", "fill-between", "fill-outline", "largest", "smooth", "undo", "redo",
]);
/** What judges, goes elsewhere or shows what was made of the proposal. */
const NOT_BLIND = new Set<Command>(["flag", "absent", "cant-tell", "lock", "copy", "next-case", "previous-case", "next-finding"]);

/** Whose the case is, where it may only be looked at; else null. */
export function readOnlyWords({ editable, assigned }: About): string | null {
  return editable === false ? `read only: ${assigned ?? "somebody else"} has this case` : null;
}

/** Why a command is not to be had here, or null. */
export function whyNot(command: Command, about: About): string | null {
  const readOnly = readOnlyWords(about);
  if (readOnly && CHANGING.has(command)) return `${readOnly}; ask a reviewer to give it to you.`;
  if (about.blind && NOT_BLIND.has(command)) return "Not in a blind drawing: draw it as you see it, then Enter. ⌫ leaves it for later.";
  return null;
}
