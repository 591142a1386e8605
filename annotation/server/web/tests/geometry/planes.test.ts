import { describe, expect, test } from "vitest";
import { boxUnion, indexOf, type Triple, voxelAt, voxelOfWorld, worldOf } from "../../src/geometry/grid.ts";
import { PLANE_ORDER, PLANES, placementOf, pointOf, voxelUnder, zoomedAbout } from "../../src/geometry/planes.ts";

const shape = { dims: [20, 30, 40] as Triple, spacingMm: [0.8, 0.9, 3] as Triple };

describe("planes", () => {
  test.each(PLANE_ORDER)("a voxel's middle on the %s plane is found again under that point", (name) => {
    const plane = PLANES[name];
    const placed = placementOf(plane, shape, { zoom: 1.7, panMm: [4, -9] }, 640, 480);
    const voxel: Triple = [7, 11, 23];
    const [x, y] = pointOf(plane, shape, placed, voxel);
    expect(voxelUnder(plane, shape, placed, x, y, voxel)).toEqual(voxel);
  });

  test("the patient's right is on the left, the front on top, the head on top", () => {
    const placed = placementOf(PLANES.axial, shape, { zoom: 1, panMm: [0, 0] }, 640, 480);
    const at = (voxel: Triple) => pointOf(PLANES.axial, shape, placed, voxel);
    expect(at([19, 0, 0])[0]).toBeLessThan(at([0, 0, 0])[0]);
    expect(at([0, 29, 0])[1]).toBeLessThan(at([0, 0, 0])[1]);
    const upright = placementOf(PLANES.sagittal, shape, { zoom: 1, panMm: [0, 0] }, 640, 480);
    expect(pointOf(PLANES.sagittal, shape, upright, [0, 29, 39])[1]).toBeLessThan(pointOf(PLANES.sagittal, shape, upright, [0, 29, 0])[1]);
    expect(pointOf(PLANES.sagittal, shape, upright, [0, 29, 0])[0]).toBeLessThan(pointOf(PLANES.sagittal, shape, upright, [0, 0, 0])[0]);
  });

  test("what is under the pointer stays there while zooming", () => {
    const plane = PLANES.coronal;
    let look = { zoom: 1, panMm: [3, 5] as [number, number] };
    const before = placementOf(plane, shape, look, 640, 480);
    const under = [(400 - before.left) / before.pixelsPerMm, (130 - before.top) / before.pixelsPerMm];
    look = zoomedAbout(look, before, 2.5, 400, 130, 640, 480);
    const after = placementOf(plane, shape, look, 640, 480);
    expect((400 - after.left) / after.pixelsPerMm).toBeCloseTo(under[0], 9);
    expect((130 - after.top) / after.pixelsPerMm).toBeCloseTo(under[1], 9);
  });
});

test("world and voxel are inverse on an oblique affine, and outside is brought in", () => {
  const affine = [0.8, 0.1, -0.2, -30, -0.1, 0.9, 0.3, 12, 0.15, -0.2, 2.9, 55, 0, 0, 0, 1];
  const grid = { dims: [20, 30, 40] as Triple, spacingMm: [1, 1, 1] as Triple, affine };
  expect(voxelOfWorld(grid, worldOf(affine, [7, 21, 33]))).toEqual([7, 21, 33]);
  expect(voxelOfWorld(grid, worldOf(affine, [-5, 2, 99]))).toEqual([0, 2, 39]);
});

test("indices and boxes", () => {
  expect(voxelAt([20, 30, 40], indexOf([20, 30, 40], [3, 4, 5]))).toEqual([3, 4, 5]);
  expect(boxUnion(null, [1, 1, 1, 2, 2, 2])).toEqual([1, 1, 1, 2, 2, 2]);
  expect(boxUnion([0, 3, 1, 2, 4, 2], [1, 1, 1, 5, 2, 2])).toEqual([0, 1, 1, 5, 4, 2]);
});
