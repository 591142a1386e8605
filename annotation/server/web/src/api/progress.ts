/** The figures of the progress page. */

import { askJson } from "./http.ts";

export interface EffortGroup {
  readonly name: string;
  readonly masks: number;
  readonly dice: number | null;
  readonly accepted_share: number | null;
  readonly mean_s: number | null;
  readonly median_s: number | null;
  readonly hours: number;
}

export interface Agreement {
  readonly pairs: number;
  readonly dice: number | null;
  readonly nsd: number | null;
}

export interface ProgressFigures {
  readonly round: { round: number | null; decided: number; total: number };
  readonly cases: Readonly<Record<string, number>>;
  readonly structures: Readonly<Record<string, number>>;
  readonly masks: number;
  readonly hours: number | null;
  readonly masks_per_hour: number | null;
  readonly median_s: number | null;
  readonly by_structure: readonly EffortGroup[];
  readonly by_round: readonly EffortGroup[];
  readonly by_annotator: readonly EffortGroup[];
  readonly by_day: readonly { day: string; cases: number; masks: number; hours: number | null }[];
  readonly left: { readonly hours: number | null; readonly hours_by_median: number | null };
  readonly agreement: { readonly intra: Agreement; readonly inter: Agreement };
}

export const progressFigures = (): Promise<ProgressFigures> => askJson("/api/progress");
