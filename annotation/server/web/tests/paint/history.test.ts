import { expect, test } from "vitest";
import { PLANES } from "../../src/geometry/planes.ts";
import { History } from "../../src/paint/history.ts";
import type { LabelVolume } from "../../src/paint/label-volume.ts";
import { PencilStroke } from "../../src/paint/pencil.ts";
import { changeBytes, Recorder } from "../../src/paint/recorder.ts";
import { countOf, emptyVolume, waterCt } from "../volumes.ts";

function dot(volume: LabelVolume, i: number, erase = false) {
  const options = { value: 5, erase, radiusMm: 0.5, slices: 1, hu: null };
  const stroke = new PencilStroke(volume, waterCt(volume.dims), PLANES.axial, options);
  stroke.to([i, 1, 1]);
  return stroke.finish();
}

test("undo and redo give back every voxel", () => {
  const volume = emptyVolume();
  volume.labels[volume.labels.length - 1] = 9;
  const history = new History();
  const states = [volume.labels.slice()];
  for (const [i, erase] of [[1, false], [2, false], [1, true], [7, false]] as const) {
    history.push(dot(volume, i, erase));
    states.push(volume.labels.slice());
  }
  for (let at = states.length - 2; at >= 0; at--) {
    expect(history.undo(volume)).not.toBeNull();
    expect(volume.labels).toEqual(states[at]);
  }
  expect(history.undo(volume)).toBeNull();
  for (let at = 1; at < states.length; at++) {
    history.redo(volume);
    expect(volume.labels).toEqual(states[at]);
  }
  expect(history.redo(volume)).toBeNull();
});

test("clicks that change nothing do not fill the stack", () => {
  const volume = emptyVolume();
  const history = new History();
  history.push(dot(volume, 1));
  for (let click = 0; click < 50; click++) history.push(dot(volume, 1));
  expect(history.depth).toBe(1);
  history.undo(volume);
  expect(countOf(volume, 5)).toBe(0);
});

test("a new change ends what could be redone", () => {
  const volume = emptyVolume();
  const history = new History();
  history.push(dot(volume, 1));
  history.undo(volume);
  history.push(dot(volume, 2));
  expect(history.redoDepth).toBe(0);
  expect(history.redo(volume)).toBeNull();
});

test("the oldest changes go when the memory is used up, the newest never", () => {
  const volume = emptyVolume();
  const one = dot(volume, 0);
  if (!one) throw new Error("nothing drawn");
  const history = new History(3 * changeBytes(one));
  history.push(one);
  for (let i = 1; i < 8; i++) history.push(dot(volume, i));
  expect(history.depth).toBe(3);
  const tiny = new History(1);
  tiny.push(dot(volume, 9));
  expect(tiny.depth).toBe(1);
});

test("a voxel changed twice in one action counts once, and not at all if it ends as it began", () => {
  const volume = emptyVolume();
  volume.labels[3] = 4;
  const recorder = new Recorder(volume);
  recorder.draw(3, 5);
  recorder.draw(3, 6);
  recorder.draw(8, 5);
  recorder.erase(8, 5);
  const change = recorder.finish();
  expect(change?.indices).toEqual(Uint32Array.of(3));
  expect([change?.before[0], change?.after[0], change?.values]).toEqual([4, 6, [4, 6]]);
});

test("thousands of voxels are recorded, in the order of the volume", () => {
  const volume = emptyVolume([40, 40, 4]);
  const recorder = new Recorder(volume);
  for (let index = volume.labels.length - 1; index >= 0; index--) recorder.draw(index, 2);
  const change = recorder.finish();
  expect(change?.indices.length).toBe(6400);
  expect(change?.indices.every((index, at) => index === at)).toBe(true);
});

test("a deed is undone and redone in its turn between changes", () => {
  const volume = emptyVolume();
  const history = new History();
  const said: string[] = [];
  history.push(dot(volume, 1));
  history.push({ undo: () => void said.push("undo"), redo: () => void said.push("redo") });
  history.push(dot(volume, 2));
  history.undo(volume);
  expect([countOf(volume, 5), said]).toEqual([1, []]);
  history.undo(volume);
  expect([countOf(volume, 5), said]).toEqual([1, ["undo"]]);
  history.redo(volume);
  history.undo(volume);
  history.undo(volume);
  expect([countOf(volume, 5), said]).toEqual([0, ["undo", "redo", "undo"]]);
  expect(history.undo(volume)).toBeNull();
});
