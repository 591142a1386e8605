/** What may be done in the case on the screen: all of it, or only looking. */

import type { CaseInfo } from "../api/workbench.ts";
import type { Command } from "../keys/keymap.ts";

const CHANGING = new Set<Command>([
  "accept", "flag", "absent", "cant-tell", "lock", "copy", "fill-between", "fill-outline", "largest", "smooth", "undo", "redo",
]);

/** Whose the case is, where it may only be looked at; else null. */
export function readOnlyWords({ editable, assigned }: Pick<CaseInfo, "editable" | "assigned">): string | null {
  return editable === false ? `read only: ${assigned ?? "somebody else"} has this case` : null;
}

/** Why a command is not to be had here, or null. */
export function whyNot(command: Command, info: Pick<CaseInfo, "editable" | "assigned">): string | null {
  const readOnly = readOnlyWords(info);
  return readOnly && CHANGING.has(command) ? `${readOnly}; ask a reviewer to give it to you.` : null;
}
