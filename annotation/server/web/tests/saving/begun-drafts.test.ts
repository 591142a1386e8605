import { expect, test } from "vitest";
import { BegunDrafts, type KeptText } from "../../src/saving/begun-drafts.ts";

function memory(text: string | null = null): KeptText {
  const held = { text };
  return { getItem: () => held.text, setItem: (_key, given) => void (held.text = given) };
}

test("structures are remembered by case with the work in them, until they are a revision", () => {
  const kept = memory();
  const drafts = new BegunDrafts("lab", kept);
  drafts.note({ caseId: "s1", structure: "liver" }, { strokes: 1, seconds: 2 });
  drafts.note({ caseId: "s1", structure: "liver" }, { strokes: 2, seconds: 5.5 });
  drafts.note({ caseId: "s10", structure: "spleen" }, { strokes: 0, seconds: 0 });
  drafts.note({ caseId: "s1", structure: "liver", blind: "a" }, { strokes: 7, seconds: 8 });
  expect(new BegunDrafts("lab", kept).workIn({ caseId: "s1", structure: "liver" })).toEqual({ strokes: 2, seconds: 5.5 });
  drafts.delete({ caseId: "s1", structure: "liver" });
  expect(drafts.workIn({ caseId: "s1", structure: "liver" })).toBeNull();
  expect(drafts.workIn({ caseId: "s1", structure: "liver", blind: "a" })).toEqual({ strokes: 7, seconds: 8 });
  expect(drafts.workIn({ caseId: "s10", structure: "spleen" })).toEqual({ strokes: 0, seconds: 0 });
});

test.each(["", "{", "3", "[1, null]", `{"s1/liver": {"strokes": "2"}}`])("what cannot be read (%s) is nothing", (text) => {
  expect(new BegunDrafts("lab", memory(text)).workIn({ caseId: "s1", structure: "liver" })).toBeNull();
});
