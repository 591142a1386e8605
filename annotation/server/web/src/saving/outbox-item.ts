/** What waits to be sent: kept in the browser until the server has answered. */

import type { Box } from "../geometry/grid.ts";

export interface Target {
  readonly caseId: string;
  readonly structure: string;
  /** Of a blind drawing the proposal that it begins from: its draft is another one than the ordinary one. */
  readonly blind?: string;
}

interface Waiting extends Target {
  /** Given by the store; grows. */
  readonly key: number;
  readonly madeAt: number;
}

/** One stroke: the structure inside a box as it stands after it. */
export interface PatchItem extends Waiting {
  readonly kind: "patch";
  readonly box: Box;
  /** gzip of 0/1 bytes, i fastest. */
  readonly body: Uint8Array<ArrayBuffer>;
  /** The mask that was drawn on; null for a structure that had none. */
  readonly base: string | null;
  readonly client: string | null;
  /** Fixed just before the first try, so that a repeated try is the same one. */
  readonly sequence: number | null;
}

/** Turn the draft into a revision. */
export interface CommitItem extends Waiting {
  readonly kind: "commit";
  readonly seconds: number;
  readonly strokes: number;
  readonly base: string | null;
  /** Fixed just before the first try: after a reload the same question gets the same answer. */
  readonly asked: AskedCommit | null;
}

export interface AskedCommit {
  readonly client: string;
  readonly base: string | null;
  readonly sequence: number;
}

export type Decision = "accept" | "fix" | "absent_fov" | "absent_anatomy" | "exclude_case";

export interface VerdictItem extends Waiting {
  readonly kind: "verdict";
  readonly decision: Decision;
  /** The revision judged; null until a commit before it tells. */
  readonly mask: string | null;
  readonly reason: string;
  readonly seconds: number;
  readonly id: string;
}

export type OutboxItem = PatchItem | CommitItem | VerdictItem;
type Unkeyed<Item> = Item extends OutboxItem ? Omit<Item, "key"> : never;
export type NewItem = Unkeyed<OutboxItem>;

export const targetKey = ({ caseId, structure, blind }: Target): string => `${caseId}/${structure}${blind ? "?blind" : ""}`;

/** The seam to IndexedDB; tests may hold items in memory. */
export interface OutboxStore {
  add(item: NewItem): Promise<OutboxItem>;
  replace(item: OutboxItem): Promise<void>;
  remove(key: number): Promise<void>;
  all(): Promise<OutboxItem[]>;
}

export interface Lease {
  readonly base: string | null;
  /** Sequence number of the last patch of an unfinished draft; 0 without one. */
  readonly sequence: number;
}

export type Sent =
  /** `takenBy`: kept, but somebody else draws on it by now. */
  | { readonly kind: "done"; readonly mask?: string; readonly takenBy?: string }
  /** Nobody answered, or the server is in trouble: try again. */
  | { readonly kind: "unreachable" }
  | { readonly kind: "signed-out" }
  /** Somebody else's revision is in the way. */
  | { readonly kind: "conflict"; readonly current?: { id: string; by: string }; readonly mine?: string }
  /** `isKept`: not for now, as with a case that was given to somebody else; what was drawn must not be lost by that. */
  | { readonly kind: "refused"; readonly why: string; readonly isKept?: boolean };

export type Leased =
  /** `takenBy`: somebody else draws on it; what we send stays in our own draft. */
  | { readonly kind: "leased"; readonly lease: Lease; readonly takenBy?: string }
  | { readonly kind: "unreachable" }
  | { readonly kind: "signed-out" }
  | { readonly kind: "refused"; readonly why: string };

export interface Transport {
  lease(target: Target): Promise<Leased>;
  patch(item: PatchItem, lease: Lease): Promise<Sent>;
  commit(item: CommitItem, asked: AskedCommit): Promise<Sent>;
  verdict(item: VerdictItem): Promise<Sent>;
}
