/* The pick map of a picture: which structure each pixel shows. It comes as a script, since a page
   from disk may neither read other files nor look into the pixels of pictures. */
const MAPS_KEPT = 4;
const MOST_PIXELS = 60e6;
const pickMaps = new Map();
const pickWaiting = new Map();

// eslint-disable-next-line no-unused-vars -- the name that pick map files call
function masksmithPickMap(caseId, packed) {
  const waiting = pickWaiting.get(caseId);
  pickWaiting.delete(caseId);
  if (waiting) unpack(packed).then(waiting.done, waiting.failed);
}

async function unpack(packed) {
  const { width, height, bits } = packed;
  const pixels = width * height;
  if (!Number.isInteger(width) || !Number.isInteger(height) || !(pixels > 0 && pixels <= MOST_PIXELS)) {
    throw new Error("a pick map of an impossible size");
  }
  const bytes = Uint8Array.from(atob(packed.deflate), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const plain = await new Response(stream).arrayBuffer();
  if (plain.byteLength !== pixels * (bits / 8)) throw new Error("a pick map that is cut off");
  const values = bits === 16 ? new Uint16Array(plain) : new Uint8Array(plain);
  return { width, height, values, runs: runsOf(values, width, height), paths: new Map() };
}

/** List the runs of equal pixels, by value: [x, y, length, ...]. */
function runsOf(values, width, height) {
  const runs = new Map();
  for (let y = 0; y < height; y += 1) {
    const row = y * width;
    let x = 0;
    while (x < width) {
      const value = values[row + x];
      const start = x;
      do x += 1; while (x < width && values[row + x] === value);
      if (value === 0) continue;
      const known = runs.get(value);
      if (known) known.push(start, y, x - start); else runs.set(value, [start, y, x - start]);
    }
  }
  return runs;
}

/** Load a case's pick map, or give the one that is there; null where there is none. */
function pickMapOf(one) {
  if (!one.picture || !one.picture.pick) return Promise.resolve(null);
  const name = `${one.id} ${one.picture.version}`;
  if (!pickMaps.has(name)) {
    if (pickMaps.size >= MAPS_KEPT) pickMaps.delete(pickMaps.keys().next().value);
    pickMaps.set(name, loadPickMap(one).catch((error) => {
      pickMaps.delete(name);
      tell(`No names under the pointer: ${error.message}`, "warn");
      return null;
    }));
  }
  return pickMaps.get(name);
}

function loadPickMap(one) {
  return new Promise((done, failed) => {
    const script = element("script");
    const fail = () => { pickWaiting.delete(one.id); script.remove(); failed(new Error(`the pick map of ${one.id} cannot be loaded`)); };
    pickWaiting.set(one.id, { done, failed });
    script.onerror = fail;
    script.onload = () => { script.remove(); if (pickWaiting.has(one.id)) fail(); };
    script.src = fileOf(one, "pickmaps", "js");
    document.head.append(script);
  });
}

/** Give the place of the structure at a pixel, or of the nearest one within a few pixels; else null. */
function structureAt(map, x, y, reach) {
  const [column, row] = [Math.floor(x), Math.floor(y)];
  let best = null;
  let nearest = Infinity;
  const far = Math.max(0, Math.ceil(reach));
  for (let dy = -far; dy <= far; dy += 1) {
    for (let dx = -far; dx <= far; dx += 1) {
      const [at, on] = [column + dx, row + dy];
      if (at < 0 || on < 0 || at >= map.width || on >= map.height || dx * dx + dy * dy >= nearest) continue;
      const place = placeOfValue.get(map.values[on * map.width + at]);
      if (place !== undefined) { best = place; nearest = dx * dx + dy * dy; }
    }
  }
  return best;
}

/** Give a structure's pixels as one path in picture coordinates. */
function pathOf(map, place) {
  if (!map.paths.has(place)) {
    const path = new Path2D();
    const runs = map.runs.get(data.values[place]) || [];
    for (let at = 0; at < runs.length; at += 3) path.rect(runs[at], runs[at + 1] - 0.06, runs[at + 2], 1.12);
    map.paths.set(place, path);
  }
  return map.paths.get(place);
}

/** Give the box around all pixels of some structures: [x0, y0, x1, y1]; null where there are none. */
function boxOf(map, places) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const place of places) {
    const runs = map.runs.get(data.values[place]) || [];
    for (let at = 0; at < runs.length; at += 3) {
      box[0] = Math.min(box[0], runs[at]);
      box[1] = Math.min(box[1], runs[at + 1]);
      box[2] = Math.max(box[2], runs[at] + runs[at + 2]);
      box[3] = Math.max(box[3], runs[at + 1] + 1);
    }
  }
  return box[0] < box[2] ? box : null;
}
