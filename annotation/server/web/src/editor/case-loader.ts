/** The page's side of the loading worker. */

import type { BlindTask } from "../api/blind.ts";
import type { FromWorker, LoadedCase, ToWorker } from "./loading-worker.ts";

export class LoadFailed extends Error {
  readonly status: number;

  constructor(why: string, status: number) {
    super(why);
    this.status = status;
  }
}

export class CaseLoader {
  private readonly worker: Worker;
  private readonly waiting = new Map<string, { done(loaded: LoadedCase): void; failed(error: Error): void }>();
  private readyCase: string | null = null;
  private readonly onReady: () => void;

  constructor(onReady: () => void) {
    this.onReady = onReady;
    this.worker = new Worker(new URL("./loading-worker.ts", import.meta.url), { type: "module", name: "loading" });
    this.worker.onmessage = (event: MessageEvent<FromWorker>) => this.heard(event.data);
  }

  /** Which case waits in memory. */
  get ready(): string | null {
    return this.readyCase;
  }

  open(id: string, blind?: BlindTask): Promise<LoadedCase> {
    return new Promise((done, failed) => {
      this.waiting.set(id, { done, failed });
      this.tell({ kind: "open", id, blind });
    });
  }

  /** Called again for the same case it changes nothing. Only when what is on the screen can be drawn on: hundreds of MB are slow to share a wire with. */
  prefetch(id: string | null): void {
    if (id !== null && id !== this.readyCase) this.tell({ kind: "prefetch", id });
  }

  /** What waits is out of date. */
  forget(id: string): void {
    if (this.readyCase === id) this.readyCase = null;
    this.tell({ kind: "forget", id });
  }

  private tell(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  private heard(message: FromWorker): void {
    if (message.kind === "ready") {
      this.readyCase = message.id;
      this.onReady();
      return;
    }
    const waiting = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.kind === "opened") {
      if (this.readyCase === message.id) this.readyCase = null;
      waiting?.done(message.loaded);
    } else waiting?.failed(new LoadFailed(message.why, message.status));
  }
}
