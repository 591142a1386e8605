/* One structure over all cases: its largest view cut out of each picture, to see the odd one out. */
const TILE_PX = 168;
const LOADS_AT_ONCE = 4;
const cut = { waiting: [], loading: 0 };

function tile(place) {
  const one = state.shown[place];
  const made = button("tile", undefined, "", () => openTile(place));
  made.dataset.case = one.id;
  const canvas = element("canvas");
  canvas.width = canvas.height = TILE_PX * Math.min(window.devicePixelRatio || 1, 2);
  made.append(canvas, tileLine(one));
  const box = (maskOf(one, state.structure) || {}).box;
  if (box && one.picture) {
    cut.waiting.push({ one, box, canvas, made });
    setTimeout(cutNext, 60);
  } else {
    made.append(element("span", "none dim", "no view of it; draw this case again"));
  }
  return made;
}

function tileLine(one) {
  const line = element("span", "line");
  const odd = state.odd ? state.odd(one) : 0;
  line.append(element("b", "", one.id), element("span", Math.abs(odd) > 3.5 ? "warn" : "dim", millilitres(volumeIn(one, state.structure))));
  const found = one.findingsAt.get(state.structure) || [];
  if (found.length) line.append(severityDots(SEVERITIES.map((_, severity) => found.filter((each) => each.severity === severity).length)));
  const said = decisionOf(one, state.structure);
  if (refusedOf(one, state.structure)) line.append(element("span", "error", "not recorded"));
  else if (said) line.append(element("span", said.decision === "fix" ? "error" : "ok", stateAt(one, state.structure)));
  else if (one.cut.has(state.structure)) line.append(element("span", "dim", "cut"));
  return line;
}

/** Cut the next tile that is still on the page out of its picture. */
function cutNext() {
  while (cut.loading < LOADS_AT_ONCE && cut.waiting.length) {
    const next = cut.waiting.shift();
    if (next.made.isConnected) cutOut(next);
  }
}

async function cutOut({ one, box, canvas }) {
  const [file, x, y] = fileWith(one, box);
  const picture = new Image();
  cut.loading += 1;
  try {
    await new Promise((done, failed) => {
      picture.onload = done;
      picture.onerror = failed;
      picture.src = file;
    });
    // Decoded beside the page's own thread; only the piece is kept.
    const piece = await createImageBitmap(picture, x, y, box[2] - box[0], box[3] - box[1]);
    drawPiece(piece, canvas);
    piece.close();
  } catch {
    canvas.classList.add("failed");
  }
  picture.src = "";
  cut.loading -= 1;
  cutNext();
}

/** Say which file shows a box: the panel that holds it, which is small, else the whole picture. */
function fileWith(one, box) {
  for (const [slug, x0, y0, x1, y1] of one.picture.panels) {
    if (box[0] >= x0 && box[1] >= y0 && box[2] <= x1 && box[3] <= y1) {
      const file = `panels/${encodeURIComponent(one.id)}/${encodeURIComponent(slug)}.png?v=${encodeURIComponent(one.picture.version)}`;
      return [file, box[0] - x0, box[1] - y0];
    }
  }
  return [fileOf(one, "images", "png"), box[0], box[1]];
}

function drawPiece(piece, canvas) {
  const scale = Math.min(canvas.width / piece.width, canvas.height / piece.height, (tileScale() * canvas.width) / TILE_PX);
  const [wide, high] = [piece.width * scale, piece.height * scale];
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(piece, (canvas.width - wide) / 2, (canvas.height - high) / 2, wide, high);
}

/** Give one scale to most tiles, so that sizes can be compared; only the largest are made smaller. */
function tileScale() {
  if (tileScale.of !== state.structure) {
    const sides = data.cases.map((one) => (maskOf(one, state.structure) || {}).box).filter(Boolean)
      .map((box) => Math.max(box[2] - box[0], box[3] - box[1])).sort((a, b) => a - b);
    tileScale.of = state.structure;
    tileScale.is = sides.length ? TILE_PX / sides[Math.floor((sides.length - 1) * 0.9)] : 1;
  }
  return tileScale.is;
}

const tiles = new VirtualGrid(byId("tiles"), tile);

function drawColumn() {
  const none = state.structure === undefined;
  byId("tiles").hidden = byId("spread").hidden = none;
  byId("column-hint").hidden = !none;
  byId("column-title").textContent = none ? "One structure over all cases" : `${plainName(state.structure)} in ${state.shown.length} cases`;
  cut.waiting = [];
  if (none) { byId("empty").hidden = true; return; }
  state.odd = oddness(state.structure);
  drawSpread();
  tiles.show(state.shown.length, (width) => ({ columns: Math.max(1, Math.floor((width + 12) / (TILE_PX + 12))), rowHeight: TILE_PX + 44 }));
}

/** Draw each case as a dot over its volume: what lies apart is seen at once. */
function drawSpread() {
  const spread = byId("spread");
  const ratio = window.devicePixelRatio || 1;
  spread.width = spread.clientWidth * ratio;
  spread.height = spread.clientHeight * ratio;
  const pen = spread.getContext("2d");
  const volumes = state.shown.map((one) => volumeIn(one, state.structure)).filter((volume) => volume > 0);
  if (!volumes.length) return;
  const [low, high] = [Math.log(Math.min(...volumes)) - 0.05, Math.log(Math.max(...volumes)) + 0.05];
  const room = spread.width - 120 * ratio;
  state.spreadX = (volume) => 60 * ratio + ((Math.log(volume) - low) / (high - low)) * room;
  state.shown.forEach((one, place) => {
    const volume = volumeIn(one, state.structure);
    if (!(volume > 0)) return;
    const y = spread.height * (0.25 + 0.5 * ((place * 0.618) % 1));
    pen.beginPath();
    pen.arc(state.spreadX(volume), y, (place === state.current ? 6 : 3) * ratio, 0, 7);
    pen.fillStyle = Math.abs(state.odd(one)) > 3.5 ? COLOURS.found : one.cut.has(state.structure) ? "#4b555d" : COLOURS.hover;
    pen.globalAlpha = place === state.current ? 1 : 0.65;
    pen.fill();
  });
  pen.globalAlpha = 1;
  pen.fillStyle = "#7d8891";
  pen.font = `${12 * ratio}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  pen.fillText(millilitres(Math.exp(low + 0.05)), 4 * ratio, spread.height / 2);
  pen.textAlign = "right";
  pen.fillText(millilitres(Math.exp(high - 0.05)), spread.width - 4 * ratio, spread.height / 2);
}

byId("spread").addEventListener("click", (event) => {
  const x = event.offsetX * (byId("spread").width / byId("spread").clientWidth);
  let best = -1;
  let nearest = Infinity;
  state.shown.forEach((one, place) => {
    const volume = volumeIn(one, state.structure);
    const far = volume > 0 ? Math.abs(state.spreadX(volume) - x) : Infinity;
    if (far < nearest) { nearest = far; best = place; }
  });
  moveTo(best);
});

function openTile(place) {
  state.zoom = null;
  openCase(place);
  choose([state.structure]);
}

const structureIn = { cases: "", column: "" };

function setView(view) {
  structureIn[state.view] = byId("structure").value;
  byId("structure").value = structureIn[view];
  state.view = view;
  for (const each of byId("views").children) each.setAttribute("aria-pressed", String(each.dataset.view === view));
  const order = byId("order");
  const chosen = order.selectedOptions[0];
  if (view === "column") order.value = "oddest";
  else if (chosen && chosen.dataset.view === "column") order.value = "suspicion";
  byId("columns").hidden = view === "column";
  refresh();
  if (view === "column" && state.structure === undefined) byId("structure").focus();
}
