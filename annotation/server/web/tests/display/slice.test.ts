import { describe, expect, test } from "vitest";
import { drawSlice, type Drawing, paletteOf, rectOfBox, sliceRect } from "../../src/display/slice.ts";
import { dragged, greyTable, presetsOf, windowName } from "../../src/display/windows.ts";
import { indexOf, type Triple } from "../../src/geometry/grid.ts";
import { PLANE_ORDER, PLANES } from "../../src/geometry/planes.ts";
import { waterCt } from "../volumes.ts";

const dims: Triple = [5, 6, 7];
const drawing = (more: Partial<Drawing> = {}): Drawing => ({
  grey: greyTable({ name: "t", lowHu: 0, highHu: 255 }),
  palette: paletteOf([{ value: 3, colour: "#ff0000" }]),
  active: 3, opacity: 0.35, outlineOnly: false, hidden: false, ...more,
});
const volume = () => ({ dims, ct: waterCt(dims, 100), labels: new Uint8Array(5 * 6 * 7) });
const channels = (pixel: number) => [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255, pixel >>> 24];

describe("windows", () => {
  test("black below, white above, straight between, for negative values too", () => {
    const table = greyTable({ name: "soft", lowHu: -160, highHu: 240 });
    expect([-1000, -160, 39, 240, 3000].map((hu) => table[hu & 65535])).toEqual([0, 0, 127, 255, 255]);
  });
  test("F1 to F4 are the first four windows of the configuration, in its order", () => {
    const set = ["liver", "soft", "lung", "bone", "brain"].map((name, at) => ({ name, low_hu: -at, high_hu: at + 1 }));
    const presets = presetsOf(set);
    expect(presets.map(({ name }) => name)).toEqual(["liver", "soft", "lung", "bone"]);
    expect(presets[1]).toEqual({ name: "soft", lowHu: -1, highHu: 2 });
    expect([presetsOf(undefined), presetsOf([])].map((each) => each.length)).toEqual([1, 1]);
  });
  test("windows are named as people read them", () => {
    expect(["soft", "lung", "small_vessels"].map((name) => windowName({ name, lowHu: 0, highHu: 1 }))).toEqual(["Soft tissue", "Lung", "Small vessels"]);
  });
  test("dragging right widens, never to nothing", () => {
    const soft = presetsOf(undefined)[0];
    const wide = dragged(soft, 50, 10);
    expect([wide.lowHu, wide.highHu]).toEqual([-200, 300]);
    expect(dragged(soft, -5000, 0).highHu - dragged(soft, -5000, 0).lowHu).toBe(2);
  });
});

describe("a slice", () => {
  test.each(PLANE_ORDER)("puts each voxel of the %s plane where the plane says", (name) => {
    const plane = PLANES[name];
    const scene = volume();
    const voxel: Triple = [3, 1, 4];
    scene.ct[indexOf(dims, voxel)] = 200;
    const width = dims[plane.u];
    const out = new Uint32Array(width * dims[plane.v]);
    drawSlice(scene, plane, voxel[plane.w], drawing(), out, sliceRect(plane, dims));
    const at = (dims[plane.v] - 1 - voxel[plane.v]) * width + width - 1 - voxel[plane.u];
    expect(channels(out[at])).toEqual([200, 200, 200, 255]);
    expect(out.filter((pixel) => channels(pixel)[0] === 100)).toHaveLength(out.length - 1);
  });

  test("fills inside, outlines at the edge, and hides", () => {
    const scene = volume();
    for (let j = 1; j < 5; j++) for (let i = 1; i < 4; i++) scene.labels[indexOf(dims, [i, j, 2])] = 3;
    const out = new Uint32Array(30);
    drawSlice(scene, PLANES.axial, 2, drawing(), out, sliceRect(PLANES.axial, dims));
    const pixel = (i: number, j: number) => channels(out[(5 - j) * 5 + 4 - i]);
    expect(pixel(1, 1)).toEqual([255, 0, 0, 255]);
    expect(pixel(2, 2)).toEqual([154, 65, 65, 255]);
    expect(pixel(0, 0)).toEqual([100, 100, 100, 255]);
    drawSlice(scene, PLANES.axial, 2, drawing({ outlineOnly: true }), out, sliceRect(PLANES.axial, dims));
    expect(pixel(2, 2)).toEqual([100, 100, 100, 255]);
    drawSlice(scene, PLANES.axial, 2, drawing({ hidden: true }), out, sliceRect(PLANES.axial, dims));
    expect(pixel(1, 1)).toEqual([100, 100, 100, 255]);
  });

  test("drawing the rectangle of a change equals drawing everything", () => {
    const scene = volume();
    const part = new Uint32Array(30);
    drawSlice(scene, PLANES.axial, 2, drawing(), part, sliceRect(PLANES.axial, dims));
    scene.labels[indexOf(dims, [2, 3, 2])] = 3;
    const rect = rectOfBox(PLANES.axial, dims, [2, 3, 2, 3, 4, 3], 2);
    if (!rect) throw new Error("the box is on the slice");
    drawSlice(scene, PLANES.axial, 2, drawing(), part, rect);
    const whole = new Uint32Array(30);
    drawSlice(scene, PLANES.axial, 2, drawing(), whole, sliceRect(PLANES.axial, dims));
    expect(part).toEqual(whole);
    expect(rectOfBox(PLANES.axial, dims, [2, 3, 2, 3, 4, 3], 3)).toBeNull();
  });
});
