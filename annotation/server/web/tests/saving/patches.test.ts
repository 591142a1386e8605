import { expect, test } from "vitest";
import { PLANES } from "../../src/geometry/planes.ts";
import { PencilStroke } from "../../src/paint/pencil.ts";
import { gzip } from "../../src/saving/gzip.ts";
import { patchesOf } from "../../src/saving/patches.ts";
import { emptyVolume, waterCt } from "../volumes.ts";

test("a stroke over an unlocked neighbour gives a patch for each, its own box and bytes", () => {
  const volume = emptyVolume([8, 3, 1]);
  volume.labels.set([9, 9], 8 + 4);
  const options = { value: 5, erase: false, radiusMm: 0.5, slices: 1, hu: null };
  const stroke = new PencilStroke(volume, waterCt(volume.dims), PLANES.axial, options);
  stroke.to([2, 1, 0]);
  stroke.to([4, 1, 0]);
  const change = stroke.finish();
  if (!change) throw new Error("nothing drawn");
  const patches = patchesOf(volume, change);
  expect(patches).toEqual([
    { value: 5, box: [2, 1, 0, 5, 2, 1], mask: Uint8Array.of(1, 1, 1) },
    { value: 9, box: [4, 1, 0, 5, 2, 1], mask: Uint8Array.of(0) },
  ]);
});

test("a neighbour hidden beneath stays whole in its patch", () => {
  const volume = emptyVolume([4, 1, 1]);
  volume.labels.set([9, 9, 9, 9]);
  volume.layMask(5, [0, 0, 0, 2, 1, 1], Uint8Array.of(1, 1));
  expect([...volume.maskIn(9, [0, 0, 0, 4, 1, 1])]).toEqual([1, 1, 1, 1]);
});

test("gzip can be read back", async () => {
  const bytes = new Uint8Array(5000).fill(1);
  const packed = await gzip(bytes);
  expect(packed.length).toBeLessThan(100);
  const read = new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip")));
  expect(new Uint8Array(await read.arrayBuffer())).toEqual(bytes);
});
