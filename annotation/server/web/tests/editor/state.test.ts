import { expect, test } from "vitest";
import type { CaseInfo, StructureInfo } from "../../src/api/workbench.ts";
import { Scene, shelfOf } from "../../src/editor/scene.ts";
import { targetKey } from "../../src/saving/outbox-item.ts";
import { nextRadius, savedWords } from "../../src/editor/state.ts";
import { Recorder } from "../../src/paint/recorder.ts";

test("the radius goes from size to size and stops at the ends", () => {
  expect([nextRadius(6, 1), nextRadius(6, -1), nextRadius(7, -1), nextRadius(0.5, -1), nextRadius(40, 1)]).toEqual([8, 5, 6, 0.5, 40]);
});

test.each([
  [{ kind: "saved", waiting: 0, edits: 12, savedAt: 8000 }, "saved 2 s ago · 12 edits", "ok"],
  [{ kind: "saved", waiting: 0, edits: 1, savedAt: -290000 }, "saved 5 min ago · 1 edit", "ok"],
  [{ kind: "saved", waiting: 0, edits: 0, savedAt: null }, "nothing to save", "dim"],
  [{ kind: "saving", waiting: 3, edits: 3, savedAt: null }, "saving …", "dim"],
  [{ kind: "offline", waiting: 7, edits: 9, savedAt: 1 }, "offline, 7 edits kept here, retrying", "warn"],
  [{ kind: "held", waiting: 2, edits: 2, savedAt: 1 }, "2 edits kept here, not sent", "warn"],
  [{ kind: "signed-out", waiting: 1, edits: 9, savedAt: 1 }, "signed out, 1 edit kept here", "error"],
] as const)("the save state is said in words (%#)", (save, words, kind) => {
  expect(savedWords(save, 10000)).toEqual({ words, kind });
});

function scene(): Scene {
  const structure = (name: string, value: number, more: Partial<StructureInfo> = {}): StructureInfo => ({
    name, value, colour: "#102030", state: "proposed", mask_id: "m1", voxels: 2, volume_ml: 0.02, box: [0, 0, 0, 2, 1, 1],
    locked: false, window: null, findings: [], neighbours: [], ...more,
  });
  const info: CaseInfo = {
    id: "s1", phase: null, dims: [4, 2, 1], spacing_mm: [1, 1, 10], affine: [], next_case: null,
    structures: [
      structure("liver", 5), structure("spleen", 1, { state: "accepted", locked: true }),
      structure("colon", 9, { state: "undecided", mask_id: null, voxels: 0, box: null }),
      structure("stomach", 6, { state: "undecided", voxels: 0, box: null }), structure("aorta", 7, { state: "flagged", voxels: 0, box: null }),
      structure("gallbladder", 4, { state: "absent", absent: "anatomy", mask_id: null, voxels: 0, box: null }),
    ],
  };
  return new Scene({ info, ct: new Int16Array(8), labels: Uint8Array.of(5, 5, 1, 1, 0, 0, 0, 0) });
}

test("structures lie on the shelf of what is left to do, accepted ones locked", () => {
  const { entries, volume } = scene();
  expect(entries.map(shelfOf)).toEqual(["to check", "accepted", "no mask yet", "no mask yet", "to check", "not in image"]);
  expect(entries[5].state).toBe("absent_anatomy");
  expect([volume.locked[1], volume.locked[5]]).toEqual([1, 0]);
});

test("counts stay true while drawing, taking back and on both sides of a border", () => {
  const shown = scene();
  const recorder = new Recorder(shown.volume);
  recorder.draw(0, 9);
  recorder.draw(4, 9);
  const change = recorder.finish();
  if (!change) throw new Error("nothing drawn");
  shown.count(change);
  expect([shown.named("liver")?.voxels, shown.named("colon")?.voxels]).toEqual([1, 2]);
  expect(shown.volumeMl(shown.entries[2])).toBeCloseTo(0.02);
  shown.countBack(change);
  expect([shown.named("liver")?.voxels, shown.named("colon")?.voxels]).toEqual([2, 0]);
});

test("a blind drawing and the mask itself are not taken for each other", () => {
  const ordinary = scene();
  const { info, ct } = ordinary;
  const blind = new Scene({ info: { ...info, blind: "m1" }, ct, labels: new Uint8Array(8) });
  const [mask, drawing] = [ordinary.targetOf(ordinary.entries[0]), blind.targetOf(blind.entries[0])];
  expect([targetKey(mask), targetKey(drawing)]).toEqual(["s1/liver", "s1/liver?blind"]);
  expect([ordinary.entryOf(mask)?.name, blind.entryOf(drawing)?.name]).toEqual(["liver", "liver"]);
  expect([ordinary.entryOf(drawing), blind.entryOf(mask), ordinary.entryOf({ caseId: "s2", structure: "liver" })]).toEqual([null, null, null]);
});

test("a CT of another size than the case says is refused by name", () => {
  const { info } = scene();
  expect(() => new Scene({ info, ct: new Int16Array(7), labels: new Uint8Array(8) })).toThrow(/case s1: the CT has 7 voxels/);
});
