/** What an editor left to be sent, sent from another page of the workbench. */

import type { Session } from "../api/workbench.ts";
import { BegunDrafts } from "./begun-drafts.ts";
import { type Listener, Outbox } from "./outbox.ts";
import { inTurn } from "./sender.ts";
import { type StoreOf, storeOf } from "./store.ts";
import { HttpTransport } from "./transport.ts";

const PATIENCE_MS = 60_000;

/**
 * Send it, at once or when the network is back; what cannot be sent stays for the editor. Until then it is this
 * page's turn: another page that sent the same meanwhile would make a second revision of it. To be called once.
 *
 * @param say Told what a person must know or do; "" when all is sent.
 */
export function sendLeftBehind(session: Session, say: (words: string) => void): Promise<void> {
  const { name, store }: StoreOf = storeOf(session);
  const asked = new Set<string>();
  let end: () => void = () => undefined;
  const over = new Promise<void>((resolve) => (end = resolve));
  const listener: Listener = {
    changed: ({ waiting, kind }) => {
      say(waiting === 0 ? "" : [...asked].join(" ") || `${waiting} kept here, being sent.`);
      if (kind !== "saving" && kind !== "offline") end();
    },
    conflict: ({ caseId, structure, current }) =>
      void asked.add(`${current?.by || "Somebody"} saved ${structure} of ${caseId} while you drew it: open the case and choose.`),
    refused: ({ caseId, structure }, why) => void asked.add(`${caseId} ${structure}: ${why}`),
    committed: (target) => new BegunDrafts(name).delete(target),
    taken: () => undefined,
  };
  const outbox = new Outbox(store, new HttpTransport(session.workspace, session.user), listener, crypto.randomUUID());
  const retry = (): void => void outbox.retry();
  const send = async (): Promise<void> => {
    window.addEventListener("online", retry);
    void over.then(() => window.removeEventListener("online", retry));
    await outbox.resume().catch((error: unknown) => {
      end();
      throw error;
    });
    await outbox.untilSent(PATIENCE_MS);
  };
  return inTurn(name, send, { until: over });
}
