/** The outbox in IndexedDB: outlives a reload, a crash of the tab and days without a network. */

import { type IDBPDatabase, openDB } from "idb";
import type { Session } from "../api/workbench.ts";
import type { NewItem, OutboxItem, OutboxStore } from "./outbox-item.ts";

const TABLE = "outbox";

export interface StoreOf {
  readonly name: string;
  readonly store: OutboxStore;
}

/** Where a person's outbox of a workspace lies. */
export function storeOf(session: Pick<Session, "workspace" | "workspace_id" | "user">): StoreOf {
  const name = `masksmith-${session.workspace_id ?? session.workspace}-${session.user}`;
  return { name, store: "indexedDB" in globalThis ? new IndexedDbStore(name) : new MemoryStore() };
}

export class IndexedDbStore implements OutboxStore {
  private readonly database: Promise<IDBPDatabase>;

  constructor(name: string) {
    this.database = openDB(name, 1, {
      upgrade: (database) => void database.createObjectStore(TABLE, { keyPath: "key", autoIncrement: true }),
    });
  }

  async add(item: NewItem): Promise<OutboxItem> {
    const transaction = (await this.database).transaction(TABLE, "readwrite", { durability: "strict" });
    const key = (await transaction.store.add(item)) as number;
    await transaction.done;
    return { ...item, key } as OutboxItem;
  }

  async replace(item: OutboxItem): Promise<void> {
    await (await this.database).put(TABLE, item);
  }

  async remove(key: number): Promise<void> {
    await (await this.database).delete(TABLE, key);
  }

  async all(): Promise<OutboxItem[]> {
    return (await this.database).getAll(TABLE);
  }
}

/** For browsers that keep nothing (private windows): as good as the tab. */
export class MemoryStore implements OutboxStore {
  private readonly items = new Map<number, OutboxItem>();
  private last = 0;

  async add(item: NewItem): Promise<OutboxItem> {
    const kept = { ...item, key: ++this.last } as OutboxItem;
    this.items.set(kept.key, kept);
    return kept;
  }

  async replace(item: OutboxItem): Promise<void> {
    this.items.set(item.key, item);
  }

  async remove(key: number): Promise<void> {
    this.items.delete(key);
  }

  async all(): Promise<OutboxItem[]> {
    return [...this.items.values()];
  }
}
