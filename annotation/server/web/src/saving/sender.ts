/** Of all tabs of a person one sends what earlier pages left behind: two would number the same stroke twice. */

const PATIENCE_MS = 1000;
export const AS_LONG_AS_THE_PAGE = new Promise<never>(() => undefined);

/** As much of the browser's locks as is needed. */
export interface Locks {
  request(name: string, held: () => Promise<void>): Promise<unknown>;
}

export interface Turn {
  /** How long the turn is kept after the sending. */
  readonly until?: Promise<unknown>;
  readonly locks?: Locks;
  readonly patienceMs?: number;
}

/**
 * Send once no other tab does. Resolves when that is done, or soon where another tab has the turn: ours comes
 * when it is closed.
 */
export function inTurn(name: string, send: () => Promise<void>, turn: Turn = {}): Promise<void> {
  // Browsers have locks on TLS and on this machine only.
  const locks: Locks | undefined = turn.locks ?? globalThis.navigator?.locks;
  if (!locks) return send();
  return new Promise((resolve, reject) => {
    const waiting = setTimeout(resolve, turn.patienceMs ?? PATIENCE_MS);
    const held = async (): Promise<void> => {
      clearTimeout(waiting);
      await send().then(resolve, reject);
      await turn.until;
    };
    locks.request(name, held).catch(reject);
  });
}
