/** Fetches cases away from the page, and keeps the next one ready. */

import { blindCase, type BlindTask } from "../api/blind.ts";
import { caseInfo, type CaseInfo, casePath } from "../api/workbench.ts";
import { ask, ApiError } from "../api/http.ts";
import { errorWords } from "../look/error-words.ts";
import type { Labels } from "../display/slice.ts";

export interface LoadedCase {
  readonly info: CaseInfo;
  readonly ct: Int16Array<ArrayBuffer>;
  readonly labels: Labels;
}

export type ToWorker = { readonly kind: "open" | "prefetch" | "forget"; readonly id: string; readonly blind?: BlindTask };
export type FromWorker =
  | { readonly kind: "opened"; readonly id: string; readonly loaded: LoadedCase }
  | { readonly kind: "ready"; readonly id: string }
  | { readonly kind: "failed"; readonly id: string; readonly why: string; readonly status: number };

const underWay = new Map<string, { loading: Promise<LoadedCase>; stop: AbortController }>();

const ctOf = (id: string, signal: AbortSignal): Promise<ArrayBuffer> =>
  ask(`${casePath(id)}/ct`, { signal }).then((answer) => answer.arrayBuffer());

/** Without the label map: it shows what was made of the proposal. */
async function loadBlind(task: BlindTask, signal: AbortSignal): Promise<LoadedCase> {
  const [info, voxels] = await Promise.all([blindCase(task), ctOf(task.case, signal)]);
  const ct = new Int16Array(voxels);
  return { info, ct, labels: new Uint16Array(ct.length) };
}

async function load(id: string, signal: AbortSignal): Promise<LoadedCase> {
  const [info, ct, labels] = await Promise.all([
    caseInfo(id),
    ctOf(id, signal),
    ask(`${casePath(id)}/labels`, { signal }).then(async (answer) => {
      const isWide = answer.headers.get("X-Masksmith-Dtype") === "uint16";
      const bytes = await answer.arrayBuffer();
      return isWide ? new Uint16Array(bytes) : new Uint8Array(bytes);
    }),
  ]);
  return { info, ct: new Int16Array(ct), labels };
}

const keyOf = ({ id, blind }: ToWorker): string => (blind ? `${id}?blind` : id);

function started(message: ToWorker): Promise<LoadedCase> {
  const { id, blind } = message;
  const key = keyOf(message);
  const known = underWay.get(key);
  if (known) return known.loading;
  const stop = new AbortController();
  const loading = blind ? loadBlind(blind, stop.signal) : load(id, stop.signal);
  underWay.set(key, { loading, stop });
  loading.catch(() => underWay.delete(key));
  return loading;
}

/** One case waits at most: the memory of a browser tab is small. */
function forgetOthers(key: string): void {
  for (const [other, { stop }] of underWay) {
    if (other === key) continue;
    stop.abort();
    underWay.delete(other);
  }
}

async function answer(message: ToWorker): Promise<void> {
  const { kind, id } = message;
  if (kind === "forget") {
    underWay.get(id)?.stop.abort();
    underWay.delete(id);
    return;
  }
  forgetOthers(keyOf(message));
  try {
    const loaded = await started(message);
    if (kind === "prefetch") return say({ kind: "ready", id });
    underWay.delete(keyOf(message));
    say({ kind: "opened", id, loaded }, [loaded.ct.buffer, loaded.labels.buffer as ArrayBuffer]);
  } catch (error) {
    const status = error instanceof ApiError ? error.status : 0;
    say({ kind: "failed", id, status, why: errorWords(error) });
  }
}

function say(message: FromWorker, moved: Transferable[] = []): void {
  (self as unknown as Worker).postMessage(message, moved);
}

self.onmessage = (event: MessageEvent<ToWorker>) => void answer(event.data);
