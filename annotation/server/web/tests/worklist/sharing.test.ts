import { expect, test } from "vitest";
import { outcome } from "../../src/worklist/assign-bar.ts";
import { shareOut } from "../../src/worklist/sharing.ts";

const cases = [3, 40, 4, 5, 30, 10].map((to_check, at) => ({ id: `s${at}`, to_check }));

test("everybody gets about the same work, every case once", () => {
  const shares = shareOut(cases, ["anna", "ben"]);
  const work = [...shares.values()].map((ids) => ids.reduce((sum, id) => sum + (cases.find((each) => each.id === id)?.to_check ?? 0), 0));
  expect(work).toEqual([48, 44]);
  expect([...shares.values()].flat().sort()).toEqual(cases.map(({ id }) => id));
});

test("cases without a mask are shared out by number", () => {
  const empty = [1, 2, 3, 4].map((at) => ({ id: `e${at}`, to_check: 0 }));
  expect([...shareOut(empty, ["anna", "ben"])]).toEqual([["anna", ["e1", "e3"]], ["ben", ["e2", "e4"]]]);
});

test("among nobody nothing is shared out; more people than cases leave some without", () => {
  expect(shareOut(cases, []).size).toBe(0);
  expect([...shareOut(cases.slice(0, 1), ["anna", "ben"])]).toEqual([["anna", ["s0"]], ["ben", []]]);
});

test("the outcome names what was left as it was", () => {
  const given = { assigned: 2, to: "anna", refused: [] };
  expect(outcome([given])).toEqual({ words: "Assigned: 2 cases to anna.", kind: "ok" });
  const refused = { assigned: 1, to: null, refused: [{ case: "s1", why: "ben is drawing liver there" }] };
  expect(outcome([given, refused])).toEqual({
    words: "Assigned: 2 cases to anna, 1 case free for all. Left as it was: s1 (ben is drawing liver there).", kind: "warn",
  });
});
