/** Which structures have a draft that no revision holds yet; outlives a reload. */

import { type Target, targetKey } from "./outbox-item.ts";

/** As much of localStorage as is needed. */
export interface KeptText {
  getItem(key: string): string | null;
  setItem(key: string, text: string): void;
}

export class BegunDrafts {
  private readonly key: string;
  private readonly kept: KeptText;

  constructor(name: string, kept: KeptText = localStorage) {
    this.key = `${name}-drafts`;
    this.kept = kept;
  }

  add(target: Target): void {
    this.write([...new Set([...this.all(), targetKey(target)])]);
  }

  delete(target: Target): void {
    this.write(this.all().filter((key) => key !== targetKey(target)));
  }

  /** Structures of a case. */
  of(caseId: string): string[] {
    return this.all().filter((key) => key.startsWith(`${caseId}/`)).map((key) => key.slice(caseId.length + 1));
  }

  private all(): string[] {
    try {
      const known: unknown = JSON.parse(this.kept.getItem(this.key) ?? "[]");
      return Array.isArray(known) ? known.filter((key) => typeof key === "string") : [];
    } catch {
      return [];
    }
  }

  private write(keys: string[]): void {
    this.kept.setItem(this.key, JSON.stringify(keys));
  }
}
