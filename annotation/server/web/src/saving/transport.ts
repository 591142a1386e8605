/** The outbox's way to the server: what each answer means for what waits. */

import { ApiError, ask, askJson } from "../api/http.ts";
import { maskPath } from "../api/workbench.ts";
import type { CommitItem, Lease, Leased, PatchItem, Sent, Target, Transport, VerdictItem } from "./outbox-item.ts";

interface LeaseAnswer {
  readonly base: string | null;
  readonly until: string;
  readonly draft: { sequence: number } | null;
}

export class HttpTransport implements Transport {
  private readonly workspace: string;
  private readonly user: string;

  constructor(workspace: string, user: string) {
    this.workspace = workspace;
    this.user = user;
  }

  async lease({ caseId, structure }: Target, take = false): Promise<Leased> {
    try {
      const answer = await askJson<LeaseAnswer>(`${maskPath(caseId, structure)}/lease`, { method: "POST", json: { take } });
      return { kind: "leased", lease: { base: answer.base, sequence: answer.draft?.sequence ?? 0 } };
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) {
        return { kind: "taken", by: String(error.body.by ?? "somebody"), until: String(error.body.until ?? "") };
      }
      return failure(error);
    }
  }

  async release({ caseId, structure }: Target): Promise<void> {
    await ask(`${maskPath(caseId, structure)}/lease`, { method: "DELETE" }).catch(() => undefined);
  }

  patch(item: PatchItem, lease: Lease): Promise<Sent> {
    const query = new URLSearchParams({ base: lease.base ?? "none", box: item.box.join(","), client: item.client ?? "" });
    return sending(() => ask(`${maskPath(item.caseId, item.structure)}/draft/${item.sequence}?${query}`, {
      method: "PUT", body: item.body,
      headers: { "Content-Type": "application/octet-stream", "Content-Encoding": "gzip" },
    }));
  }

  commit(item: CommitItem, client: string, lease: Lease): Promise<Sent> {
    const { seconds, strokes } = item;
    const json = { base: lease.base, client, sequence: lease.sequence, seconds, strokes };
    return sending(() => ask(`${maskPath(item.caseId, item.structure)}/commit`, { method: "POST", json }));
  }

  verdict(item: VerdictItem): Promise<Sent> {
    const wholeCase = item.decision === "exclude_case";
    const verdict = {
      case: item.caseId, structure: wholeCase ? null : item.structure, mask: wholeCase ? null : item.mask,
      decision: item.decision, reason: item.reason, seconds: item.seconds,
      created: new Date(item.madeAt).toISOString(), id: item.id,
    };
    const json = { format: "masksmith-verdicts", version: 1, workspace: this.workspace, by: this.user, verdicts: [verdict] };
    return sending(() => ask("/api/verdicts", { method: "POST", json }));
  }
}

async function sending(send: () => Promise<Response>): Promise<Sent> {
  try {
    const body = (await (await send()).json()) as { mask_id?: string };
    return { kind: "done", mask: body.mask_id };
  } catch (error) {
    if (error instanceof ApiError && error.status === 409) return conflictOf(error);
    return failure(error);
  }
}

function conflictOf(error: ApiError): Sent {
  const current = error.body.current as { id: string; by: string } | undefined;
  const yours = error.body.yours as { mask_id?: string } | undefined;
  return { kind: "conflict", current, mine: yours?.mask_id };
}

function failure(error: unknown): Sent & Leased {
  if (!(error instanceof ApiError)) return { kind: "unreachable" };
  if (error.status === 401) return { kind: "signed-out" };
  return error.isPassing ? { kind: "unreachable" } : { kind: "refused", why: error.message };
}
