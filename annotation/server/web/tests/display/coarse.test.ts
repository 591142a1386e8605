import { expect, test } from "vitest";
import { coarseCopy } from "../../src/display/coarse.ts";
import { indexOf, type Triple, worldOf } from "../../src/geometry/grid.ts";

test("each coarse voxel holds the label that lies at its place in the world", () => {
  const dims: Triple = [12, 9, 4];
  const affine = [1, 0.1, 0, -20, -0.1, 1, 0.2, 5, 0, 0, 3, 40, 0, 0, 0, 1];
  const labels = Uint8Array.from({ length: 12 * 9 * 4 }, (_, at) => at % 251);
  const coarse = coarseCopy({ dims, spacingMm: [1, 1, 3], affine }, labels);
  expect(coarse.dims).toEqual([4, 3, 4]);
  expect(coarse.spacingMm).toEqual([3, 3, 3]);
  const fine = worldOf(affine, [7, 4, 3]);
  worldOf(coarse.affine, [2, 1, 3]).forEach((mm, axis) => expect(mm).toBeCloseTo(fine[axis], 9));
  expect(coarse.labels[indexOf(coarse.dims, [2, 1, 3])]).toBe(labels[indexOf(dims, [7, 4, 3])]);
});
