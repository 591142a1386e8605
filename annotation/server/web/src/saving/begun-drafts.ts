/** Which structures have a draft that no revision holds yet, and the work in it; outlives a reload. */

import { type Target, targetKey } from "./outbox-item.ts";

/** As much of localStorage as is needed. */
export interface KeptText {
  getItem(key: string): string | null;
  setItem(key: string, text: string): void;
}

export interface Work {
  readonly strokes: number;
  readonly seconds: number;
}

export class BegunDrafts {
  private readonly key: string;
  private readonly kept: KeptText;

  constructor(name: string, kept: KeptText = localStorage) {
    this.key = `${name}-drafts`;
    this.kept = kept;
  }

  note(target: Target, work: Work): void {
    this.kept.setItem(this.key, JSON.stringify({ ...this.all(), [targetKey(target)]: work }));
  }

  delete(target: Target): void {
    const { [targetKey(target)]: _, ...others } = this.all();
    this.kept.setItem(this.key, JSON.stringify(others));
  }

  /** The work in a structure's draft; null where none was begun. */
  workIn(target: Target): Work | null {
    return this.all()[targetKey(target)] ?? null;
  }

  private all(): Record<string, Work> {
    try {
      const known: unknown = JSON.parse(this.kept.getItem(this.key) ?? "{}");
      if (typeof known !== "object" || known === null) return {};
      return Object.fromEntries(Object.entries(known).filter(([, work]) => isWork(work)));
    } catch {
      return {};
    }
  }
}

function isWork(work: unknown): work is Work {
  const { strokes, seconds } = (work ?? {}) as Partial<Work>;
  return Number.isFinite(strokes) && Number.isFinite(seconds);
}
