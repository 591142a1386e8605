/** Fetches cases away from the page, and keeps the next one ready. */

import { caseInfo, type CaseInfo, casePath } from "../api/workbench.ts";
import { ask, ApiError } from "../api/http.ts";
import type { Labels } from "../display/slice.ts";

export interface LoadedCase {
  readonly info: CaseInfo;
  readonly ct: Int16Array<ArrayBuffer>;
  readonly labels: Labels;
}

export type ToWorker = { readonly kind: "open" | "prefetch" | "forget"; readonly id: string };
export type FromWorker =
  | { readonly kind: "opened"; readonly id: string; readonly loaded: LoadedCase }
  | { readonly kind: "ready"; readonly id: string }
  | { readonly kind: "failed"; readonly id: string; readonly why: string; readonly status: number };

const underWay = new Map<string, { loading: Promise<LoadedCase>; stop: AbortController }>();

async function load(id: string, signal: AbortSignal): Promise<LoadedCase> {
  const [info, ct, labels] = await Promise.all([
    caseInfo(id),
    ask(`${casePath(id)}/ct`, { signal }).then((answer) => answer.arrayBuffer()),
    ask(`${casePath(id)}/labels`, { signal }).then(async (answer) => {
      const isWide = answer.headers.get("X-Masksmith-Dtype") === "uint16";
      const bytes = await answer.arrayBuffer();
      return isWide ? new Uint16Array(bytes) : new Uint8Array(bytes);
    }),
  ]);
  return { info, ct: new Int16Array(ct), labels };
}

function started(id: string): Promise<LoadedCase> {
  const known = underWay.get(id);
  if (known) return known.loading;
  const stop = new AbortController();
  const loading = load(id, stop.signal);
  underWay.set(id, { loading, stop });
  loading.catch(() => underWay.delete(id));
  return loading;
}

/** One case waits at most: the memory of a browser tab is small. */
function forgetOthers(id: string): void {
  for (const [other, { stop }] of underWay) {
    if (other === id) continue;
    stop.abort();
    underWay.delete(other);
  }
}

async function answer({ kind, id }: ToWorker): Promise<void> {
  if (kind === "forget") {
    underWay.get(id)?.stop.abort();
    underWay.delete(id);
    return;
  }
  forgetOthers(id);
  try {
    const loaded = await started(id);
    if (kind === "prefetch") return say({ kind: "ready", id });
    underWay.delete(id);
    say({ kind: "opened", id, loaded }, [loaded.ct.buffer, loaded.labels.buffer as ArrayBuffer]);
  } catch (error) {
    const status = error instanceof ApiError ? error.status : 0;
    say({ kind: "failed", id, status, why: error instanceof Error ? error.message : String(error) });
  }
}

function say(message: FromWorker, moved: Transferable[] = []): void {
  (self as unknown as Worker).postMessage(message, moved);
}

self.onmessage = (event: MessageEvent<ToWorker>) => void answer(event.data);
