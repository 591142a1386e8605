import { expect, test } from "vitest";
import { inTurn, type Locks } from "../../src/saving/sender.ts";

/** Locks of a browser: who asks for one that is held waits. */
class Queue implements Locks {
  private last: Promise<unknown> = Promise.resolve();
  request(_name: string, held: () => Promise<void>): Promise<unknown> {
    return (this.last = this.last.then(held));
  }
}

test("the second tab goes on at once, and sends when the first is closed", async () => {
  const locks = new Queue();
  const sent: string[] = [];
  let close: () => void = () => undefined;
  const until = new Promise<void>((resolve) => (close = resolve));
  const send = (tab: string) => async () => void sent.push(tab);
  await inTurn("lab", send("first"), { locks, until });
  await inTurn("lab", send("second"), { locks, patienceMs: 5 });
  expect(sent).toEqual(["first"]);
  close();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(sent).toEqual(["first", "second"]);
});

test("a failure is the caller's, and a browser without locks sends at once", async () => {
  const failing = () => Promise.reject(new Error("the store cannot be read"));
  await expect(inTurn("lab", failing, { locks: new Queue() })).rejects.toThrow("cannot be read");
  await expect(inTurn("lab", failing, {})).rejects.toThrow("cannot be read");
});
