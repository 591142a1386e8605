/** Whose a case is: the people there are, and giving cases to them. */

import { askJson } from "./http.ts";

export interface Account {
  readonly name: string;
  readonly role: string;
}

export interface Assigned {
  readonly assigned: number;
  readonly to: string | null;
  readonly refused: readonly { readonly case: string; readonly why: string }[];
}

/** How many the server takes at once. */
const AT_ONCE = 500;

export const people = (): Promise<readonly Account[]> =>
  askJson<{ people: readonly Account[] }>("/api/people").then((answer) => answer.people);

/** Give cases to somebody, or to nobody; those that were refused are in the answer. */
export async function assign(cases: readonly string[], to: string | null): Promise<Assigned> {
  let all: Assigned = { assigned: 0, to, refused: [] };
  for (let at = 0; at < cases.length; at += AT_ONCE) {
    const part = await askJson<Assigned>("/api/assignments", { method: "POST", json: { cases: cases.slice(at, at + AT_ONCE), to } });
    all = { to, assigned: all.assigned + part.assigned, refused: [...all.refused, ...part.refused] };
  }
  return all;
}
