/** The outbox's way to the server: what each answer means for what waits. */

import { ApiError, ask, askJson } from "../api/http.ts";
import { maskPath, renewSession } from "../api/workbench.ts";
import type { AskedCommit, CommitItem, Lease, Leased, PatchItem, Sent, Target, Transport, VerdictItem } from "./outbox-item.ts";

interface LeaseAnswer {
  readonly base: string | null;
  readonly until: string | null;
  readonly draft: { sequence: number; base: string | null } | null;
}

interface VerdictsAnswer {
  readonly results?: readonly { status: string; note?: string }[];
}

export class HttpTransport implements Transport {
  private readonly workspace: string;
  private readonly user: string;

  constructor(workspace: string, user: string) {
    this.workspace = workspace;
    this.user = user;
  }

  /** Take or renew the right to draw; by force from whoever has it. */
  async lease(target: Target, force = false): Promise<Leased> {
    try {
      return await this.asked(target, { take: true, ...(force ? { force } : {}) });
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 409)) return failure(error);
      return this.look(target, String(error.body.by ?? "somebody"));
    }
  }

  /** Somebody else has it: only look, so that strokes drawn offline find their place in our own draft. */
  private async look(target: Target, by: string): Promise<Leased> {
    try {
      return { ...(await this.asked(target, { take: false })), takenBy: by };
    } catch (error) {
      return failure(error);
    }
  }

  private async asked({ caseId, structure, blind }: Target, wish: { take: boolean; force?: boolean }): Promise<Leased & { kind: "leased" }> {
    const answer = await this.signed(() =>
      askJson<LeaseAnswer>(`${maskPath(caseId, structure)}/lease`, { method: "POST", json: { ...wish, blind } }));
    const base = answer.draft ? answer.draft.base : answer.base;
    return { kind: "leased", lease: { base, sequence: answer.draft?.sequence ?? 0 } };
  }

  /** Put a revision that stood back into force. */
  keep({ caseId, structure }: Target, mine: string, over: string): Promise<Sent> {
    const json = { mask_id: mine, over };
    return this.sending(() => ask(`${maskPath(caseId, structure)}/keep`, { method: "POST", json }));
  }

  async release({ caseId, structure }: Target): Promise<void> {
    await ask(`${maskPath(caseId, structure)}/lease`, { method: "DELETE" }).catch(() => undefined);
  }

  patch(item: PatchItem, lease: Lease): Promise<Sent> {
    const query = new URLSearchParams({ base: lease.base ?? "none", box: item.box.join(","), client: item.client ?? "" });
    if (item.blind) query.set("blind", "true");
    return this.sending(() => ask(`${maskPath(item.caseId, item.structure)}/draft/${item.sequence}?${query}`, {
      method: "PUT", body: item.body,
      headers: { "Content-Type": "application/octet-stream", "Content-Encoding": "gzip" },
    }));
  }

  commit(item: CommitItem, asked: AskedCommit): Promise<Sent> {
    const { seconds, strokes } = item;
    const json = { ...asked, seconds, strokes, blind: item.blind ? true : undefined };
    return this.sending(() => ask(`${maskPath(item.caseId, item.structure)}/commit`, { method: "POST", json }));
  }

  verdict(item: VerdictItem): Promise<Sent> {
    const wholeCase = item.decision === "exclude_case";
    const verdict = {
      case: item.caseId, structure: wholeCase ? null : item.structure, mask: wholeCase ? null : item.mask,
      decision: item.decision, reason: item.reason, seconds: item.seconds,
      created: new Date(item.madeAt).toISOString(), id: item.id,
    };
    const json = { format: "masksmith-verdicts", version: 1, workspace: this.workspace, by: this.user, verdicts: [verdict] };
    return this.sending(async () => {
      const answer = await ask("/api/verdicts", { method: "POST", json });
      const [result] = ((await answer.clone().json()) as VerdictsAnswer).results ?? [];
      if (result?.status === "failed") throw new ApiError(422, { error: result.note ?? "the verdict was refused" });
      return answer;
    });
  }

  private async sending(send: () => Promise<Response>): Promise<Sent> {
    try {
      const body = (await (await this.signed(send)).json()) as { mask_id?: string; lease?: { by: string } | null };
      return { kind: "done", mask: body.mask_id, ...(body.lease ? { takenBy: body.lease.by } : {}) };
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) return conflictOf(error);
      return failure(error);
    }
  }

  /** Who signed in anew in another tab goes on here; what somebody else drew is not sent in their name. */
  private async signed<Answer>(send: () => Promise<Answer>): Promise<Answer> {
    try {
      return await send();
    } catch (error) {
      if (!(error instanceof ApiError && error.isStale)) throw error;
      if (!(await renewSession(this.user))) throw new ApiError(401, { error: "somebody else is signed in" });
      return send();
    }
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
  if (error.isPassing) return { kind: "unreachable" };
  return error.status === 403 ? { kind: "refused", why: error.message, isKept: true } : { kind: "refused", why: error.message };
}
