import { expect, test } from "vitest";
import { readOnlyWords, whyNot } from "../../src/editor/allowed.ts";
import { leftWords } from "../../src/api/blind.ts";

test("a case of somebody else is looked at only, and says whose it is", () => {
  const bens = { editable: false, assigned: "ben" };
  expect(readOnlyWords(bens)).toBe("read only: ben has this case");
  expect(whyNot("accept", bens)).toBe("read only: ben has this case; ask a reviewer to give it to you.");
  expect((["flag", "absent", "cant-tell", "lock", "copy", "smooth", "undo"] as const).map((each) => whyNot(each, bens) !== null)).toEqual(Array(7).fill(true));
  expect((["slice-up", "next-case", "window-1", "worklist", "help", "next-structure"] as const).map((each) => whyNot(each, bens))).toEqual(Array(6).fill(null));
});

test("one's own case and one of nobody are free", () => {
  expect([whyNot("accept", { editable: true, assigned: "ben" }), whyNot("flag", {}), readOnlyWords({})]).toEqual([null, null, null]);
});

test("a blind drawing is drawn and done, not judged, copied or passed by", () => {
  const blind = { editable: true, blind: "m1" };
  expect((["flag", "absent", "copy", "next-case", "next-finding"] as const).map((each) => whyNot(each, blind)?.slice(0, 22))).toEqual(Array(5).fill("Not in a blind drawing"));
  expect((["accept", "undo", "smooth", "worklist"] as const).map((each) => whyNot(each, blind))).toEqual(Array(4).fill(null));
});

test("what is left is counted as people say it", () => {
  const words = [{ left: 1, more: false }, { left: 3, more: false }, { left: 20, more: true }].map(leftWords);
  expect(words).toEqual(["1 mask to draw once more, blind", "3 masks to draw once more, blind", "more than 20 masks to draw once more, blind"]);
});
