/** What an editor left to be sent, sent from another page of the workbench. */

import type { Session } from "../api/workbench.ts";
import { BegunDrafts } from "./begun-drafts.ts";
import { type Listener, Outbox } from "./outbox.ts";
import { inTurn } from "./sender.ts";
import { type StoreOf, storeOf } from "./store.ts";
import { HttpTransport } from "./transport.ts";

const PATIENCE_MS = 60_000;

/**
 * Send it; what cannot be sent stays for the editor.
 *
 * @param say Told what a person must know or do; "" when all is sent.
 */
export function sendLeftBehind(session: Session, say: (words: string) => void): Promise<void> {
  const { name, store }: StoreOf = storeOf(session);
  const asked = new Set<string>();
  const listener: Listener = {
    changed: ({ waiting }) => say(waiting === 0 ? "" : [...asked].join(" ") || `${waiting} kept here, being sent.`),
    conflict: ({ caseId, structure, current }) =>
      void asked.add(`${current?.by || "Somebody"} saved ${structure} of ${caseId} while you drew it: open the case and choose.`),
    refused: ({ caseId, structure }, why) => void asked.add(`${caseId} ${structure}: ${why}`),
    committed: (target) => new BegunDrafts(name).delete(target),
    taken: () => undefined,
  };
  const outbox = new Outbox(store, new HttpTransport(session.workspace, session.user), listener, crypto.randomUUID());
  return inTurn(name, async () => {
    await outbox.resume();
    await outbox.untilSent(PATIENCE_MS);
  });
}
