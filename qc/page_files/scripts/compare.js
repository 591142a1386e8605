/* Rounds side by side: the picture of an earlier round left, the present one right, one zoom. */
const earlierOf = (one) => (one.picture ? one.picture.earlier : []);
const earlierWords = (earlier) => (earlier.round === null ? "earlier picture" : `round ${earlier.round}`);

function nowWords(one) {
  const rounds = Object.keys(one.sources).filter((name) => name.startsWith("round ")).map((name) => Number(name.slice(6)));
  return rounds.length ? `now, up to round ${Math.max(...rounds)}` : "now";
}

function drawCompare() {
  const one = openOne();
  const known = one ? earlierOf(one) : [];
  const earlier = known[state.earlier];
  byId("compare").disabled = !known.length;
  byId("compare").title = known.length ? "Earlier round beside it (c)" : "No picture of an earlier round yet";
  byId("compare").setAttribute("aria-pressed", String(state.compare && Boolean(earlier)));
  byId("before").hidden = !(state.compare && earlier);
  byId("now-words").hidden = byId("before").hidden;
  if (!earlier) { byId("blink").hidden = true; return; }
  const source = earlierFile(one, earlier);
  for (const picture of [byId("before-picture"), byId("blink")]) {
    if (picture.getAttribute("src") !== source && (state.compare || state.blink)) picture.src = source;
    [picture.width, picture.height] = earlier.size;
  }
  byId("blink").hidden = !state.blink;
  const choice = known.length > 1 ? `  (${state.earlier + 1} of ${known.length}: [ and ])` : "";
  byId("before-words").textContent = earlierWords(earlier) + choice;
  byId("now-words").textContent = nowWords(one);
}

function toggleCompare() {
  const one = openOne();
  if (!one || !earlierOf(one).length) { tell("No picture of an earlier round of this case yet"); return; }
  state.compare = !state.compare;
  drawCompare();
  applyZoom();
}

function chooseEarlier(step) {
  const one = openOne();
  if (!one) return;
  const last = earlierOf(one).length - 1;
  state.earlier = Math.min(Math.max(state.earlier + step, 0), Math.max(last, 0));
  drawCompare();
  applyZoom();
}

/** Show the earlier picture in place of the present one while a key is held. */
function blink(isDown) {
  const one = openOne();
  if (!one || !earlierOf(one).length || state.blink === isDown) return;
  state.blink = isDown;
  drawCompare();
  applyZoom();
}
