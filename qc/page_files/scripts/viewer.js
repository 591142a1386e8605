/* One picture: zoom, move, what lies under the pointer, an earlier round beside it. */
const stage = byId("stage");
const marks = byId("marks");
let pointer = [0, 0];
let pressed = null;

const openOne = () => (state.open ? state.shown[state.current] : null);

function openCase(place) {
  if (place < 0 || place >= state.shown.length) return;
  const one = state.shown[place];
  Object.assign(state, { current: place, open: true, hover: null, map: null, blink: false });
  if (state.view !== "column") state.chosen = null;
  verdicts.since = Date.now();
  byId("viewer").hidden = false;
  document.body.classList.add("viewing");
  byId("name").textContent = one.id;
  byId("place").textContent = `${place + 1} of ${state.shown.length}`;
  byId("nothing").hidden = Boolean(one.picture);
  byId("nothing").textContent = one.failure || "No picture yet: run masksmith gallery";
  byId("panes").hidden = byId("file").hidden = !one.picture;
  byId("file").href = one.picture ? fileOf(one, "images", "png") : "";
  if (one.picture) showPicture(one);
  state.earlier = Math.min(state.earlier, Math.max(earlierOf(one).length - 1, 0));
  history.replaceState(null, "", `#${encodeURIComponent(one.id)}`);
  closePlate();
  drawCompare();
  fillAside();
  showFlagged(null);
  for (const near of [place + 1, place - 1]) preload(state.shown[near]);
  lookSoon();
  grid.mark();
}

function preload(one) {
  if (one && one.picture) new Image().src = fileOf(one, "images", "png");
}

function showPicture(one) {
  const picture = byId("picture");
  picture.src = fileOf(one, "images", "png");
  [picture.width, picture.height] = one.picture.size;
  picture.alt = `Masks of ${one.id}`;
  if (state.zoom) applyZoom(); else fit();
  pickMapOf(one).then((map) => {
    if (openOne() !== one) return;
    state.map = map;
    hoverAt();
    drawMarks();
  });
}

function closeCase() {
  Object.assign(state, { open: false, zoom: null, hover: null, map: null });
  closePlate();
  byId("viewer").hidden = true;
  byId("tip").hidden = true;
  byId("picture").removeAttribute("src");
  document.body.classList.remove("viewing");
  history.replaceState(null, "", "#");
  activeGrid().renew(state.current);
  activeGrid().reveal(state.current);
}

/* ---- zoom: null means that the whole picture is shown ---- */
const pane = () => byId("now").getBoundingClientRect();
const hasPicture = () => Boolean(openOne() && openOne().picture);

function whole() {
  const [width, height] = openOne().picture.size;
  const room = pane();
  const scale = Math.min(room.width / width, room.height / height);
  return { scale, x: (room.width - width * scale) / 2, y: (room.height - height * scale) / 2 };
}

function applyZoom() {
  if (!hasPicture()) return;
  const at = state.zoom || whole();
  byId("picture").style.transform = `translate(${at.x}px, ${at.y}px) scale(${at.scale})`;
  const earlier = earlierOf(openOne())[state.earlier];
  if (earlier) {
    const ratio = openOne().picture.size[0] / earlier.size[0];
    const moved = `translate(${at.x}px, ${at.y}px) scale(${at.scale * ratio})`;
    byId("before-picture").style.transform = byId("blink").style.transform = moved;
  }
  drawMarks();
}

function fit() { state.zoom = null; applyZoom(); }

function zoomAt(x, y, factor) {
  const before = state.zoom || whole();
  const least = whole().scale;
  const scale = Math.min(Math.max(before.scale * factor, least), 8);
  if (scale <= least * 1.001) { fit(); return; }
  const ratio = scale / before.scale;
  state.zoom = { scale, x: x - (x - before.x) * ratio, y: y - (y - before.y) * ratio };
  applyZoom();
}

function toggleZoom(x, y) {
  if (state.zoom) fit();
  else zoomAt(x, y, 1 / whole().scale);
}

/** Zoom so that a box of the picture fills most of the window. */
function zoomTo(box) {
  const room = pane();
  const least = whole().scale;
  const scale = Math.min(Math.max(Math.min(room.width / (box[2] - box[0]), room.height / (box[3] - box[1])) * 0.4, least), 1.6);
  const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  state.zoom = { scale, x: room.width / 2 - x * scale, y: room.height / 2 - y * scale };
  applyZoom();
}

/* ---- the pointer ---- */
const inPane = (event) => {
  const room = pane();
  return [event.clientX - room.left, event.clientY - room.top];
};

function hoverAt() {
  const at = state.zoom || (hasPicture() ? whole() : null);
  const [x, y] = pointer;
  let place = null;
  if (state.map && at && x >= 0 && y >= 0 && x < pane().width) {
    place = structureAt(state.map, (x - at.x) / at.scale, (y - at.y) / at.scale, Math.min(2.5 / at.scale, 9));
  }
  if (place !== state.hover) {
    state.hover = place;
    stage.classList.toggle("pointing", place !== null);
    fillTip();
    drawMarks();
    markRows();
  }
  placeTip();
}

function fillTip() {
  const tip = byId("tip");
  const one = openOne();
  tip.hidden = state.hover === null || !one;
  if (tip.hidden) return;
  const mask = maskOf(one, state.hover);
  const title = element("b", "", plainName(state.hover));
  const facts = element("span", "dim", [mask ? millilitres(mask.volume) : "", stateAt(one, state.hover),
    one.cut.has(state.hover) ? "cut by the edge of the CT" : ""].filter(Boolean).join(SEPARATOR));
  const lines = (one.findingsAt.get(state.hover) || []).slice(0, 4).map((each) => element("p", SEVERITIES[each.severity], each.words));
  const refused = refusedOf(one, state.hover);
  if (refused) lines.push(element("p", "error", `not recorded: ${refused.refused}`));
  tip.replaceChildren(title, facts, ...lines);
}

function placeTip() {
  const tip = byId("tip");
  if (tip.hidden) return;
  const room = pane();
  const [x, y] = [pointer[0] + room.left + 16, pointer[1] + room.top + 18];
  tip.style.left = `${Math.min(x, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${y + tip.offsetHeight > innerHeight - 8 ? y - tip.offsetHeight - 34 : y}px`;
}

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (hasPicture()) { zoomAt(...inPane(event), Math.exp(-event.deltaY * 0.0015)); hoverAt(); }
}, { passive: false });
stage.addEventListener("dblclick", (event) => hasPicture() && toggleZoom(...inPane(event)));
stage.addEventListener("pointermove", (event) => {
  const [x, y] = inPane(event);
  if (pressed && state.zoom) {
    state.zoom.x += x - pointer[0];
    state.zoom.y += y - pointer[1];
    applyZoom();
  }
  pointer = [x, y];
  if (pressed && Math.hypot(x - pressed[0], y - pressed[1]) > 4) pressed.moved = true;
  if (!pressed || !pressed.moved) hoverAt();
});
stage.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  pointer = inPane(event);
  pressed = [...pointer];
  stage.setPointerCapture(event.pointerId);
  stage.classList.add("dragging");
});
stage.addEventListener("pointerup", () => {
  const clicked = pressed && !pressed.moved;
  release();
  if (clicked && state.hover !== null) toggleFlag(state.hover);
});
stage.addEventListener("pointercancel", release);
stage.addEventListener("pointerleave", () => { if (!pressed) { pointer = [-1, -1]; hoverAt(); } });

function release() {
  pressed = null;
  stage.classList.remove("dragging");
}
window.addEventListener("resize", () => {
  if (!state.open) return;
  drawCompare();
  applyZoom();
});

/* ---- outlines over the picture, drawn at the screen's own sharpness ---- */
const COLOURS = { hover: "#4cc2d6", chosen: "#e9f4f7", flagged: "#e0604c", found: "#e0a83c" };
const spare = document.createElement("canvas");

function drawMarks() {
  if (drawMarks.planned) return;
  drawMarks.planned = true;
  requestAnimationFrame(() => { drawMarks.planned = false; drawMarksNow(); });
}

function drawMarksNow() {
  const room = pane();
  const ratio = window.devicePixelRatio || 1;
  for (const canvas of [marks, spare]) {
    canvas.width = Math.max(1, Math.round(room.width * ratio));
    canvas.height = Math.max(1, Math.round(room.height * ratio));
  }
  if (!hasPicture() || state.blink) return;
  const one = openOne();
  const at = state.zoom || whole();
  if (state.map) {
    for (const [place, decision] of decisionsIn(one)) {
      if (decision.decision === "fix") outline(place, COLOURS.flagged, at, ratio);
    }
    for (const place of state.chosen || []) outline(place, COLOURS.chosen, at, ratio);
    if (state.hover !== null) outline(state.hover, COLOURS.hover, at, ratio);
  }
}

function outline(place, colour, at, ratio) {
  const pen = spare.getContext("2d");
  const path = pathOf(state.map, place);
  const wide = 2 * ratio;
  const view = (dx, dy) => pen.setTransform(at.scale * ratio, 0, 0, at.scale * ratio, at.x * ratio + dx, at.y * ratio + dy);
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.globalCompositeOperation = "source-over";
  pen.clearRect(0, 0, spare.width, spare.height);
  pen.fillStyle = colour;
  for (let step = 0; step < 8; step += 1) {
    const angle = (step * Math.PI) / 4;
    view(Math.cos(angle) * wide, Math.sin(angle) * wide);
    pen.fill(path);
  }
  view(0, 0);
  pen.globalCompositeOperation = "destination-out";
  pen.fill(path);
  marks.getContext("2d").drawImage(spare, 0, 0);
}
