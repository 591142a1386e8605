/** Masks to be drawn once more, without the first answer in sight. */

import { ask, askJson } from "./http.ts";
import { type CaseInfo, maskPath } from "./workbench.ts";

export interface BlindTask {
  readonly case: string;
  readonly structure: string;
  /** The proposal to begin from, as it was before anybody corrected it. */
  readonly base: string;
  readonly left: number;
  /** Whether there are more than `left`. */
  readonly more: boolean;
}

/** The next one for this person; null where nothing is left. */
export async function blindTask(): Promise<BlindTask | null> {
  const response = await ask("/api/blind");
  return response.status === 204 ? null : ((await response.json()) as BlindTask);
}

/** The case with this one structure as it was proposed; what was made of it stays on the server. */
export const blindCase = ({ case: id, structure, base }: BlindTask): Promise<CaseInfo> =>
  askJson(`${maskPath(id, structure)}/blind?base=${base}`);

export function leftWords({ left, more }: Pick<BlindTask, "left" | "more">): string {
  if (more) return `more than ${left} masks to draw once more, blind`;
  return `${left === 1 ? "1 mask" : `${left} masks`} to draw once more, blind`;
}
