import { expect, test } from "vitest";
import { Selection } from "../../src/worklist/selection.ts";

const SHOWN = ["a", "b", "c", "d", "e"];
const ticked = (selection: Selection): string => SHOWN.filter((id) => selection.has(id)).join("");

test("Shift ticks every line from the last one, in both directions, and unticks as well", () => {
  const selection = new Selection();
  selection.toggle("b");
  selection.reach("d", true, SHOWN);
  expect([ticked(selection), selection.size]).toEqual(["bcd", 3]);
  selection.reach("a", true, SHOWN);
  expect(ticked(selection)).toBe("abcd");
  selection.reach("c", false, SHOWN);
  expect(ticked(selection)).toBe("d");
});

test("a range without a beginning, or from a line that is gone, is one line", () => {
  const selection = new Selection();
  selection.reach("c", true, SHOWN);
  expect(ticked(selection)).toBe("c");
  selection.toggle("c");
  selection.reach("e", true, ["d", "e"]);
  expect(ticked(selection)).toBe("e");
});

test("all shown lines, and only those; what is no longer shown is no longer ticked", () => {
  const selection = new Selection();
  selection.toggle("a");
  selection.all(["b", "c"], true);
  expect(ticked(selection)).toBe("abc");
  selection.all(["b", "c"], false);
  expect(ticked(selection)).toBe("a");
  selection.keepOnly(["b"]);
  expect(selection.size).toBe(0);
});
