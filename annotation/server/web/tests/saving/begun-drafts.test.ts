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
  expect(new BegunDrafts("lab", kept).of("s1")).toEqual([{ structure: "liver", work: { strokes: 2, seconds: 5.5 } }]);
  drafts.delete({ caseId: "s1", structure: "liver" });
  expect(drafts.of("s1")).toEqual([]);
  expect(drafts.of("s10")).toEqual([{ structure: "spleen", work: { strokes: 0, seconds: 0 } }]);
});

test.each(["", "{", "3", "[1, null]", `{"s1/liver": {"strokes": "2"}}`])("what cannot be read (%s) is nothing", (text) => {
  expect(new BegunDrafts("lab", memory(text)).of("s1")).toEqual([]);
});
