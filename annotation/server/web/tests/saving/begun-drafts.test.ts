import { expect, test } from "vitest";
import { BegunDrafts, type KeptText } from "../../src/saving/begun-drafts.ts";

function memory(text: string | null = null): KeptText {
  const held = { text };
  return { getItem: () => held.text, setItem: (_key, given) => void (held.text = given) };
}

test("structures are remembered by case, once each, until they are a revision", () => {
  const kept = memory();
  const drafts = new BegunDrafts("lab", kept);
  drafts.add({ caseId: "s1", structure: "liver" });
  drafts.add({ caseId: "s1", structure: "liver" });
  drafts.add({ caseId: "s10", structure: "spleen" });
  expect(new BegunDrafts("lab", kept).of("s1")).toEqual(["liver"]);
  drafts.delete({ caseId: "s1", structure: "liver" });
  expect(drafts.of("s1")).toEqual([]);
  expect(drafts.of("s10")).toEqual(["spleen"]);
});

test.each(["", "{", "3", "[1, null]"])("what cannot be read (%s) is nothing", (text) => {
  expect(new BegunDrafts("lab", memory(text)).of("s1")).toEqual([]);
});
