import { describe, expect, test } from "vitest";
import { indexOf, type Triple, wholeBox } from "../../src/geometry/grid.ts";
import { PLANES } from "../../src/geometry/planes.ts";
import { signedDistanceMm } from "../../src/paint/distance.ts";
import { fillBetween } from "../../src/paint/fill-between.ts";
import { fillOutline, slicesAround } from "../../src/paint/fill-outline.ts";
import { growFromSeed, rangeAround } from "../../src/paint/grow.ts";
import type { LabelVolume } from "../../src/paint/label-volume.ts";
import { bodyMiddle, keepLargest, mirrored, replaceWith, smooth } from "../../src/paint/whole-structure.ts";
import { countOf, emptyVolume, voxelsOf, waterCt } from "../volumes.ts";

function block(volume: LabelVolume, value: number, low: Triple, high: Triple): void {
  for (let k = low[2]; k < high[2]; k++) {
    for (let j = low[1]; j < high[1]; j++) {
      for (let i = low[0]; i < high[0]; i++) volume.labels[indexOf(volume.dims, [i, j, k])] = value;
    }
  }
}

test("signed distance agrees with measuring every pair, anisotropic", () => {
  const [width, height] = [9, 7];
  const mask = Uint8Array.from({ length: width * height }, (_, at) => ((at * 7919) % 11 < 4 ? 1 : 0));
  const spacing: [number, number] = [0.8, 2.5];
  const nearest = (at: number, target: number): number => {
    let best = Infinity;
    mask.forEach((value, other) => {
      if (value !== target) return;
      const dx = ((other % width) - (at % width)) * spacing[0];
      const dy = (Math.floor(other / width) - Math.floor(at / width)) * spacing[1];
      best = Math.min(best, Math.hypot(dx, dy));
    });
    return best;
  };
  const signed = signedDistanceMm(mask, width, height, spacing);
  signed.forEach((distance, at) => expect(distance).toBeCloseTo(nearest(at, 1) - nearest(at, 0), 4));
});

describe("fill between drawn slices", () => {
  test("turns two squares into a frustum, drawn slices untouched", () => {
    const volume = emptyVolume([20, 20, 9]);
    block(volume, 5, [8, 8, 0], [12, 12, 1]);
    block(volume, 5, [4, 4, 8], [16, 16, 9]);
    fillBetween(volume, PLANES.axial, 5, wholeBox(volume.dims));
    const areas = Array.from({ length: 9 }, (_, k) => voxelsOf(volume, 5).filter((spot) => spot.endsWith(`,${k}`)).length);
    expect(areas[0]).toBe(16);
    expect(areas[8]).toBe(144);
    for (let k = 1; k < 9; k++) expect(areas[k]).toBeGreaterThanOrEqual(areas[k - 1]);
    expect(areas[4]).toBeGreaterThan(40);
  });

  test("works in the sagittal plane, over several gaps, and round locked voxels", () => {
    const volume = emptyVolume([11, 12, 12]);
    for (const i of [0, 5, 10]) block(volume, 5, [i, 3, 3], [i + 1, 9, 9]);
    volume.labels[indexOf(volume.dims, [2, 5, 5])] = 7;
    volume.locked[7] = 1;
    fillBetween(volume, PLANES.sagittal, 5, wholeBox(volume.dims));
    expect(countOf(volume, 5)).toBe(11 * 36 - 1);
    expect(countOf(volume, 7)).toBe(1);
  });

  test("has nothing to do without a gap or without the structure", () => {
    const volume = emptyVolume();
    expect(fillBetween(volume, PLANES.axial, 5, wholeBox(volume.dims))).toBeNull();
    block(volume, 5, [1, 1, 1], [4, 4, 4]);
    expect(fillBetween(volume, PLANES.axial, 5, wholeBox(volume.dims))).toBeNull();
  });
});

describe("fill a closed outline", () => {
  const ring = (volume: LabelVolume, k: number): void => {
    block(volume, 5, [2, 2, k], [9, 8, k + 1]);
    block(volume, 0, [3, 3, k], [8, 7, k + 1]);
  };

  test("on the slices asked for; locked structures inside stay", () => {
    const volume = emptyVolume();
    [3, 4, 5].forEach((k) => ring(volume, k));
    volume.labels[indexOf(volume.dims, [4, 4, 4])] = 7;
    volume.locked[7] = 1;
    fillOutline(volume, PLANES.axial, [3, 4], 5);
    const areas = [3, 4, 5].map((k) => voxelsOf(volume, 5).filter((spot) => spot.endsWith(`,${k}`)).length);
    expect(areas).toEqual([42, 41, 22]);
  });

  test("does nothing where it is open", () => {
    const volume = emptyVolume();
    ring(volume, 3);
    volume.labels[indexOf(volume.dims, [2, 4, 3])] = 0;
    expect(fillOutline(volume, PLANES.axial, [3], 5)).toBeNull();
  });

  test("slices around stay inside", () => expect(slicesAround(0, 5, 3)).toEqual([0, 1, 2]));
});

describe("grow from a seed", () => {
  const dims: Triple = [12, 12, 6];
  function scene() {
    const volume = emptyVolume(dims);
    const ct = waterCt(dims, -1000);
    for (let k = 1; k < 5; k++) for (let j = 2; j < 9; j++) for (let i = 2; i < 9; i++) ct[indexOf(dims, [i, j, k])] = 60;
    return { volume, ct };
  }
  const options = { value: 5, hu: { lowHu: 0, highHu: 100 }, reachMm: 50, mostVoxels: 10000 };

  test("takes the whole blob and nothing else", () => {
    const { volume, ct } = scene();
    const grown = growFromSeed(volume, ct, [4, 4, 2], options);
    expect(grown.hitLimit).toBe(false);
    expect(countOf(volume, 5)).toBe(7 * 7 * 4);
  });

  test("stops at locked structures and at the reach", () => {
    const { volume, ct } = scene();
    block(volume, 7, [5, 0, 0], [6, 12, 6]);
    volume.locked[7] = 1;
    growFromSeed(volume, ct, [4, 4, 2], options);
    expect(countOf(volume, 5)).toBe(3 * 7 * 4);
    const free = scene();
    growFromSeed(free.volume, free.ct, [5, 5, 2], { ...options, reachMm: 1 });
    expect(countOf(free.volume, 5)).toBe(7);
  });

  test("says when it leaked", () => {
    const { volume, ct } = scene();
    expect(growFromSeed(volume, ct, [4, 4, 2], { ...options, mostVoxels: 50 }).hitLimit).toBe(true);
    expect(countOf(volume, 5)).toBeLessThan(150);
  });

  test("from outside the range does nothing", () => {
    const { volume, ct } = scene();
    expect(growFromSeed(volume, ct, [0, 0, 0], options).change).toBeNull();
  });

  test("the range around a seed is at least 15 HU each way", () => {
    const { ct } = scene();
    expect(rangeAround(ct, dims, [5, 5, 2])).toEqual({ lowHu: 45, highHu: 75 });
    expect(rangeAround(ct, dims, [0, 0, 0])).toEqual({ lowHu: -1015, highHu: -985 });
  });
});

describe("tools of the whole structure", () => {
  test("largest component keeps pieces that touch by a corner", () => {
    const volume = emptyVolume();
    block(volume, 5, [1, 1, 1], [4, 4, 4]);
    block(volume, 5, [4, 4, 4], [5, 5, 5]);
    block(volume, 5, [8, 8, 6], [10, 10, 8]);
    keepLargest(volume, 5);
    expect(countOf(volume, 5)).toBe(28);
    expect(keepLargest(volume, 5)).toBeNull();
  });

  test("smooth takes a spike away and keeps the bulk", () => {
    const volume = emptyVolume([16, 16, 16]);
    block(volume, 5, [4, 4, 4], [12, 12, 12]);
    block(volume, 5, [12, 8, 8], [15, 9, 9]);
    volume.labels[indexOf(volume.dims, [7, 7, 7])] = 0;
    smooth(volume, 5, 1);
    expect(volume.labels[indexOf(volume.dims, [14, 8, 8])]).toBe(0);
    expect(volume.labels[indexOf(volume.dims, [7, 7, 7])]).toBe(5);
    expect(countOf(volume, 5)).toBeGreaterThan(420);
  });

  test("a mask put in replaces what is there, locked voxels apart", () => {
    const volume = emptyVolume([8, 4, 4]);
    block(volume, 5, [0, 0, 0], [3, 1, 1]);
    volume.labels[indexOf(volume.dims, [5, 1, 1])] = 7;
    volume.locked[7] = 1;
    const change = replaceWith(volume, 5, [2, 0, 0, 6, 2, 2], new Uint8Array(16).fill(1));
    expect(countOf(volume, 5)).toBe(15);
    expect(countOf(volume, 7)).toBe(1);
    expect(change?.indices.length).toBe(16);
    expect(replaceWith(volume, 5, [0, 0, 0, 0, 0, 0], new Uint8Array(0))?.indices.length).toBe(15);
  });

  test("mirroring twice gives the mask back; what falls outside is cut", () => {
    const box: [number, number, number, number, number, number] = [1, 0, 0, 4, 1, 2];
    const mask = Uint8Array.of(1, 0, 0, 1, 1, 0);
    const once = mirrored([12, 4, 4], box, mask, 5.5);
    expect(once.box).toEqual([8, 0, 0, 11, 1, 2]);
    expect([...once.mask]).toEqual([0, 0, 1, 0, 1, 1]);
    expect(mirrored([12, 4, 4], once.box, once.mask, 5.5)).toEqual({ box, mask });
    const cut = mirrored([12, 4, 4], box, mask, 1);
    expect(cut.box).toEqual([0, 0, 0, 2, 1, 2]);
    expect([...cut.mask]).toEqual([0, 1, 1, 1]);
  });

  test("the middle of the body lies between its outer sides", () => {
    const dims: Triple = [21, 10, 4];
    const ct = waterCt(dims, -1000);
    for (let k = 0; k < 4; k++) for (let j = 2; j < 8; j++) for (let i = 4; i <= 15; i++) ct[indexOf(dims, [i, j, k])] = 30;
    expect(bodyMiddle(ct, dims, [0, 0, 0, 5, 5, 4])).toBe(9.5);
    expect(bodyMiddle(waterCt(dims, -1000), dims, [0, 0, 0, 5, 5, 4])).toBe(10);
  });
});

describe("masks that overlap", () => {
  test("the one on top hides the other, and both are still known", () => {
    const volume = emptyVolume();
    block(volume, 7, [1, 1, 1], [4, 2, 2]);
    volume.layMask(5, [2, 1, 1, 6, 2, 2], Uint8Array.of(1, 1, 1, 1));
    expect(countOf(volume, 5)).toBe(4);
    expect([...volume.maskIn(7, [1, 1, 1, 4, 2, 2])]).toEqual([1, 1, 1]);
    volume.layMask(5, [5, 1, 1, 6, 2, 2], Uint8Array.of(1));
    expect(countOf(volume, 7)).toBe(3);
    expect(volume.beneath.size).toBe(0);
  });

  test("boxOf looks only where it is told", () => {
    const volume = emptyVolume();
    block(volume, 5, [2, 3, 4], [5, 6, 7]);
    expect(volume.boxOf(5, wholeBox(volume.dims))).toEqual([2, 3, 4, 5, 6, 7]);
    expect(volume.boxOf(5, [0, 0, 5, 12, 10, 6])).toEqual([2, 3, 5, 5, 6, 6]);
    expect(volume.boxOf(6, wholeBox(volume.dims))).toBeNull();
  });
});

test("the largest of more pieces than a call takes arguments", () => {
  const volume = emptyVolume([800_000, 1, 1]);
  for (let at = 0; at < volume.labels.length; at += 4) volume.labels[at] = 5;
  volume.labels[401] = 5;
  keepLargest(volume, 5);
  expect([volume.labels.indexOf(5), volume.labels.lastIndexOf(5)]).toEqual([400, 401]);
});
