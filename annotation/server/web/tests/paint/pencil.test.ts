import { describe, expect, test } from "vitest";
import { indexOf, type Triple } from "../../src/geometry/grid.ts";
import { PLANES } from "../../src/geometry/planes.ts";
import { PencilStroke, type PencilOptions } from "../../src/paint/pencil.ts";
import { countOf, emptyVolume, voxelsOf, waterCt } from "../volumes.ts";

const pencil = (more: Partial<PencilOptions> = {}): PencilOptions =>
  ({ value: 5, erase: false, radiusMm: 1, slices: 1, hu: null, ...more });

function drawn(dims: Triple, spacing: Triple, plane: keyof typeof PLANES, points: Triple[], options: PencilOptions) {
  const volume = emptyVolume(dims, spacing);
  const stroke = new PencilStroke(volume, waterCt(dims), PLANES[plane], options);
  points.forEach((point) => stroke.to(point));
  return { volume, change: stroke.finish() };
}

describe("the pencil", () => {
  test("is round: a voxel whose middle is on the edge counts", () => {
    const { volume } = drawn([9, 9, 3], [1, 1, 1], "axial", [[4, 4, 1]], pencil());
    expect(voxelsOf(volume, 5)).toEqual(["3,4,1", "4,3,1", "4,4,1", "4,5,1", "5,4,1"]);
  });

  test("is true in millimetres on an anisotropic plane", () => {
    const { volume } = drawn([9, 9, 9], [1, 1, 3], "coronal", [[4, 4, 4]], pencil({ radiusMm: 3 }));
    const spots = voxelsOf(volume, 5);
    expect(spots).toContain("1,4,4");
    expect(spots).toContain("4,4,5");
    expect(spots).not.toContain("4,4,6");
    expect(spots).not.toContain("5,4,5");
    expect(spots).toHaveLength(9);
  });

  test.each([["axial", 2], ["coronal", 1], ["sagittal", 0]] as const)("draws through 3 slices of the %s plane", (plane, axis) => {
    const { volume } = drawn([9, 9, 9], [1, 1, 1], plane, [[4, 4, 4]], pencil({ slices: 3 }));
    const depths = new Set(voxelsOf(volume, 5).map((text) => text.split(",")[axis]));
    expect([...depths].sort()).toEqual(["3", "4", "5"]);
    expect(countOf(volume, 5)).toBe(15);
  });

  test("stays inside at the last slice", () => {
    const { volume } = drawn([9, 9, 3], [1, 1, 1], "axial", [[0, 0, 2]], pencil({ slices: 5 }));
    expect(countOf(volume, 5)).toBe(9);
  });

  test("leaves no gap on a fast line", () => {
    const { volume } = drawn([30, 5, 1], [1, 1, 1], "axial", [[2, 2, 0], [27, 2, 0]], pencil());
    for (let i = 2; i <= 27; i++) expect(volume.labels[indexOf(volume.dims, [i, 2, 0])]).toBe(5);
  });

  test("never overwrites a locked structure, but an unlocked one", () => {
    const volume = emptyVolume([9, 9, 1]);
    volume.labels[indexOf(volume.dims, [3, 4, 0])] = 7;
    volume.labels[indexOf(volume.dims, [5, 4, 0])] = 8;
    volume.locked[7] = 1;
    const stroke = new PencilStroke(volume, waterCt(volume.dims), PLANES.axial, pencil());
    stroke.to([4, 4, 0]);
    expect(stroke.finish()?.values).toEqual([5, 8]);
    expect([countOf(volume, 7), countOf(volume, 8), countOf(volume, 5)]).toEqual([1, 0, 4]);
  });

  test("with a HU limit takes only voxels within it, ends included", () => {
    const volume = emptyVolume([9, 9, 1]);
    const ct = waterCt(volume.dims);
    ct[indexOf(volume.dims, [3, 4, 0])] = 100;
    ct[indexOf(volume.dims, [5, 4, 0])] = 101;
    const stroke = new PencilStroke(volume, ct, PLANES.axial, pencil({ hu: { lowHu: 50, highHu: 100 } }));
    stroke.to([4, 4, 0]);
    stroke.finish();
    expect(voxelsOf(volume, 5)).toEqual(["3,4,0"]);
  });

  test("that changes nothing gives no change", () => {
    const volume = emptyVolume();
    volume.labels.fill(5);
    const stroke = new PencilStroke(volume, waterCt(volume.dims), PLANES.axial, pencil());
    expect(stroke.to([4, 4, 4])).toBeNull();
    expect(stroke.finish()).toBeNull();
  });

  test("reports the box of what changed, half-open", () => {
    const volume = emptyVolume();
    const stroke = new PencilStroke(volume, waterCt(volume.dims), PLANES.axial, pencil());
    expect(stroke.to([4, 4, 4])).toEqual([3, 3, 4, 6, 6, 5]);
    expect(stroke.to([5, 4, 4])).toEqual([5, 3, 4, 7, 6, 5]);
    expect(stroke.finish()?.box).toEqual([3, 3, 4, 7, 6, 5]);
  });
});

describe("the eraser", () => {
  test("takes only the active structure, locked neighbours and HU or not", () => {
    const volume = emptyVolume([9, 9, 1]);
    volume.labels.fill(5);
    volume.labels[indexOf(volume.dims, [4, 3, 0])] = 7;
    const options = pencil({ erase: true, hu: { lowHu: 500, highHu: 600 } });
    const stroke = new PencilStroke(volume, waterCt(volume.dims), PLANES.axial, options);
    stroke.to([4, 4, 0]);
    stroke.finish();
    expect(countOf(volume, 0)).toBe(4);
    expect(countOf(volume, 7)).toBe(1);
  });

  test("brings back what lay beneath", () => {
    const volume = emptyVolume([9, 9, 1]);
    volume.labels[indexOf(volume.dims, [4, 4, 0])] = 7;
    volume.layMask(5, [3, 4, 0, 6, 5, 1], Uint8Array.of(1, 1, 1));
    expect(countOf(volume, 7)).toBe(0);
    const stroke = new PencilStroke(volume, waterCt(volume.dims), PLANES.axial, pencil({ erase: true, radiusMm: 0.5 }));
    stroke.to([4, 4, 0]);
    stroke.finish();
    expect([countOf(volume, 7), countOf(volume, 5)]).toEqual([1, 2]);
  });
});
