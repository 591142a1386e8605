import { expect, test } from "vitest";
import { ActivityTimer } from "../../src/activity/timer.ts";

function timer() {
  const clock = { s: 0 };
  const timed = new ActivityTimer(30, () => clock.s);
  const at = (s: number): void => {
    clock.s = s;
    timed.sign();
  };
  return { timed, at, clock };
}

test("short pauses count, long ones do not", () => {
  const { timed, at } = timer();
  [0, 10, 35, 500, 510].forEach(at);
  expect(timed.seconds).toBe(45);
});

test("leaving the tab ends the count", () => {
  const { timed, at, clock } = timer();
  at(0);
  clock.s = 5;
  timed.pause();
  at(20);
  at(22);
  expect(timed.seconds).toBe(7);
});

test("taking gives what is there and starts anew", () => {
  const { timed, at, clock } = timer();
  at(0);
  at(12);
  clock.s = 14;
  expect(timed.take()).toBe(14);
  at(20);
  expect(timed.take()).toBe(6);
});
