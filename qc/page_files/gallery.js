"use strict";
// Everything from outside is set as text, never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const placeOf = new Map(data.structures.map((name, place) => [name, place]));
const SEPARATOR = "  ·  ";
const total = data.structures.length;
for (const one of data.cases) {
  one.present = new Set(one.picture ? one.picture.present : []);
  one.cut = new Set(one.picture ? one.picture.cut : []);
  one.words = [one.id, one.phase, one.state, ...one.meta, ...Object.keys(one.sources)].join(" ").toLowerCase();
}

const state = { shown: [], current: -1, open: false, columns: 2, zoom: null };

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function fileOf(one, folder, ending) {
  const version = one.picture ? one.picture.version : "";
  return `${folder}/${encodeURIComponent(one.id)}.${ending}?v=${encodeURIComponent(version)}`;
}

function sourcesOf(one) {
  return Object.entries(one.sources).map(([name, count]) => `${name}: ${count}`).join(SEPARATOR);
}

/* ---- filters ---- */
function wanted() {
  const name = byId("structure").value.trim();
  return {
    words: byId("words").value.trim().toLowerCase().split(/\s+/).filter(Boolean),
    source: byId("source").value,
    state: byId("state").value,
    relation: byId("relation").value,
    structure: placeOf.get(name),
    unknown: name !== "" && !placeOf.has(name),
    order: byId("order").value,
  };
}

function fits(one, want) {
  if (!want.words.every((word) => one.words.includes(word))) return false;
  if (want.source && !(want.source in one.sources)) return false;
  if (want.state && one.state !== want.state) return false;
  if (want.structure === undefined) return true;
  if (!one.picture) return false;
  if (want.relation === "cut") return one.cut.has(want.structure);
  return one.present.has(want.structure) === (want.relation === "present");
}

function refresh() {
  const want = wanted();
  const kept = state.current >= 0 ? state.shown[state.current] : null;
  state.shown = data.cases.filter((one) => fits(one, want));
  const sign = { fewest: 1, most: -1 }[want.order];
  if (sign) state.shown.sort((a, b) => sign * (a.present.size - b.present.size) || (a.id < b.id ? -1 : 1));
  state.current = Math.max(state.shown.indexOf(kept), state.shown.length ? 0 : -1);
  const used = {
    words: want.words.length > 0, source: want.source !== "", state: want.state !== "",
    structure: want.structure !== undefined, order: want.order !== "id",
  };
  for (const [id, on] of Object.entries(used)) byId(id).classList.toggle("used", on);
  byId("structure").style.borderColor = want.unknown ? "var(--warn)" : "";
  byId("clear").hidden = !Object.values(used).some(Boolean) && !want.unknown;
  const all = data.cases.length;
  byId("count").textContent =
    state.shown.length === all ? `${all} ${all === 1 ? "case" : "cases"}` : `${state.shown.length} of ${all} cases`;
  drawGrid();
}

function clearFilters() {
  for (const id of ["words", "source", "state", "structure"]) byId(id).value = "";
  byId("order").value = "id";
  refresh();
}

/* ---- overview ---- */
function card(one, place) {
  const made = element("button", "card");
  made.type = "button";
  if (one.picture) {
    const shot = element("img", "shot");
    shot.loading = "lazy";
    shot.decoding = "async";
    shot.alt = "";
    shot.src = fileOf(one, "thumbnails", "webp");
    made.append(shot);
  } else {
    made.append(element("div", "shot none", one.failure || "no picture yet: run masksmith gallery"));
  }
  const line = element("div", "line");
  line.append(element("b", "", one.id));
  if (one.picture) line.append(element("span", "numbers", `${one.present.size} of ${total}`));
  if (one.phase) line.append(element("span", "dim", one.phase));
  if (one.meta.length) line.append(element("span", "dim", one.meta.join(SEPARATOR)));
  line.append(element("span", "dim", sourcesOf(one) || "no masks"));
  if (one.accepted) line.append(element("span", "ok", `accepted: ${one.accepted}`));
  if (one.excluded) line.append(element("span", "warn", "excluded"));
  if (one.picture && one.picture.unknown.length) {
    line.append(element("span", "warn", `unknown label values: ${one.picture.unknown.join(", ")}`));
  }
  if (one.failure && one.picture) line.append(element("span", "error", `older picture: ${one.failure}`));
  made.append(line);
  made.addEventListener("click", () => openCase(place));
  return made;
}

function drawGrid() {
  byId("grid").replaceChildren(...state.shown.map(card));
  const empty = byId("empty");
  empty.hidden = state.shown.length > 0;
  if (!empty.hidden) {
    const nothing = data.cases.length === 0;
    const why = element("strong", "", nothing ? "No cases yet" : "No case fits these filters");
    const how = element("span", "", nothing ? "Take CTs in, then draw them: " : "Press Esc or ");
    empty.replaceChildren(why, how);
    if (nothing) empty.append(element("code", "", "masksmith intake PATH && masksmith bootstrap && masksmith gallery"));
    else {
      const button = element("button", "", "clear the filters");
      button.addEventListener("click", clearFilters);
      empty.append(button);
    }
  }
  mark(false);
}

function mark(scroll) {
  const cards = byId("grid").children;
  for (const old of byId("grid").querySelectorAll(".current")) old.classList.remove("current");
  const one = cards[state.current];
  if (!one) return;
  one.classList.add("current");
  if (scroll) one.scrollIntoView({ block: "nearest" });
}

function setColumns(count) {
  state.columns = count;
  document.body.style.setProperty("--across", count);
  for (const button of byId("columns").children) {
    button.setAttribute("aria-pressed", String(button.textContent === String(count)));
  }
  try { localStorage.setItem("masksmith-columns", count); } catch { /* a page from disk may not keep anything */ }
  mark(true);
}

/* ---- one picture ---- */
function openCase(place) {
  if (place < 0 || place >= state.shown.length) return;
  state.current = place;
  state.open = true;
  const one = state.shown[place];
  byId("viewer").hidden = false;
  document.body.style.overflow = "hidden";
  byId("name").textContent = one.id;
  byId("place").textContent = `${place + 1} of ${state.shown.length}`;
  byId("facts").textContent = [one.grid, one.phase, one.state].filter(Boolean).join(SEPARATOR);
  byId("nothing").hidden = Boolean(one.picture);
  byId("nothing").textContent = one.failure || "No picture yet: run masksmith gallery";
  byId("picture").hidden = byId("file").hidden = !one.picture;
  if (one.picture) {
    byId("picture").src = byId("file").href = fileOf(one, "images", "png");
    [byId("picture").width, byId("picture").height] = one.picture.size;
    byId("picture").alt = `Masks of ${one.id}`;
    if (state.zoom) applyZoom(); else fit();
  }
  byId("details").textContent = one.picture ? `${total - one.present.size} missing` : "details";
  if (!byId("aside").hidden) fillAside();
  for (const near of [place + 1, place - 1]) {
    if (state.shown[near] && state.shown[near].picture) new Image().src = fileOf(state.shown[near], "images", "png");
  }
  mark(false);
}

function closeCase() {
  state.open = false;
  state.zoom = null;
  byId("viewer").hidden = true;
  document.body.style.overflow = "";
  mark(true);
}

function fillAside() {
  const one = state.shown[state.current];
  const aside = byId("aside");
  const parts = [];
  const list = (title, names) => {
    if (!names.length) return;
    parts.push(element("h2", "", `${title} (${names.length})`));
    const items = element("ul");
    items.append(...names.map((name) => element("li", "", name.replaceAll("_", " "))));
    parts.push(items);
  };
  parts.push(element("h2", "", "Masks from"), element("p", "", sourcesOf(one) || "none yet"));
  if (one.meta.length) parts.push(element("h2", "", "Case"), element("p", "", one.meta.join(SEPARATOR)));
  if (one.failure) parts.push(element("h2", "", "Not drawn"), element("p", "error", one.failure));
  if (one.picture) {
    list("Missing", data.structures.filter((_, place) => !one.present.has(place)));
    list("Cut by the edge of the CT", data.structures.filter((_, place) => one.cut.has(place)));
    if (one.picture.unknown.length) {
      parts.push(element("h2", "", "Label values not in the class map"), element("p", "warn", one.picture.unknown.join(", ")));
    }
  }
  aside.replaceChildren(...parts);
}

/* ---- zoom: null means that the whole picture is shown ---- */
function whole() {
  const [width, height] = state.shown[state.current].picture.size;
  const room = byId("stage").getBoundingClientRect();
  const scale = Math.min(room.width / width, room.height / height);
  return { scale, x: (room.width - width * scale) / 2, y: (room.height - height * scale) / 2 };
}

function applyZoom() {
  const at = state.zoom || whole();
  byId("picture").style.transform = `translate(${at.x}px, ${at.y}px) scale(${at.scale})`;
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

const stage = byId("stage");
const inStage = (event) => {
  const room = stage.getBoundingClientRect();
  return [event.clientX - room.left, event.clientY - room.top];
};
let pointer = [0, 0];
stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (state.shown[state.current].picture) zoomAt(...inStage(event), Math.exp(-event.deltaY * 0.0015));
}, { passive: false });
stage.addEventListener("dblclick", (event) => state.shown[state.current].picture && toggleZoom(...inStage(event)));
stage.addEventListener("pointermove", (event) => {
  const [x, y] = inStage(event);
  if (stage.classList.contains("dragging") && state.zoom) {
    state.zoom.x += x - pointer[0];
    state.zoom.y += y - pointer[1];
    applyZoom();
  }
  pointer = [x, y];
});
stage.addEventListener("pointerdown", (event) => {
  pointer = inStage(event);
  stage.setPointerCapture(event.pointerId);
  stage.classList.add("dragging");
});
for (const end of ["pointerup", "pointercancel"]) {
  stage.addEventListener(end, () => stage.classList.remove("dragging"));
}
window.addEventListener("resize", () => state.open && state.shown[state.current].picture && applyZoom());

/* ---- keys ---- */
const KEYS = [
  ["All cases", [["← → ↑ ↓  j k", "choose a case"], ["Enter", "open it"], ["1 2 3", "columns"],
    ["/", "find"], ["Esc", "clear the filters"]]],
  ["One picture", [["→ j    ← k", "next, previous case; the zoom stays"], ["wheel", "zoom"],
    ["drag", "move"], ["double click, z", "100 % or whole"], ["i", "missing structures"],
    ["Home End", "first, last case"], ["Esc", "back"]]],
];

function showKeys() {
  const box = byId("keys");
  box.hidden = !box.hidden;
  if (box.children.length) return;
  for (const [title, rows] of KEYS) {
    const terms = element("dl");
    for (const [key, what] of rows) terms.append(element("dt", "", key), element("dd", "", what));
    box.append(element("h2", "", title), terms);
  }
}

function toggleAside() {
  byId("aside").hidden = !byId("aside").hidden;
  if (!byId("aside").hidden) fillAside();
}

const inViewer = {
  Escape: () => (byId("aside").hidden ? closeCase() : toggleAside()),
  ArrowRight: () => openCase(state.current + 1), j: () => openCase(state.current + 1),
  ArrowLeft: () => openCase(state.current - 1), k: () => openCase(state.current - 1),
  ArrowDown: () => openCase(state.current + 1), ArrowUp: () => openCase(state.current - 1),
  Home: () => openCase(0), End: () => openCase(state.shown.length - 1),
  z: () => state.shown[state.current].picture && toggleZoom(...pointer),
  i: toggleAside, "?": showKeys,
};

function move(step) {
  if (!state.shown.length) return;
  state.current = Math.min(Math.max(state.current + step, 0), state.shown.length - 1);
  mark(true);
}

const inOverview = {
  ArrowRight: () => move(1), ArrowLeft: () => move(-1), j: () => move(1), k: () => move(-1),
  ArrowDown: () => move(state.columns), ArrowUp: () => move(-state.columns),
  Home: () => move(-Infinity), End: () => move(Infinity),
  Enter: () => openCase(state.current), Escape: clearFilters, "/": () => byId("words").focus(), "?": showKeys,
  1: () => setColumns(1), 2: () => setColumns(2), 3: () => setColumns(3),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && !byId("keys").hidden) { showKeys(); return; }
  if (event.target.matches("input, select")) {
    if (event.key === "Escape" || (event.key === "Enter" && event.target.matches("input"))) {
      event.preventDefault();
      event.target.blur();
    }
    return;
  }
  const action = (state.open ? inViewer : inOverview)[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

/* ---- start ---- */
function options(select, first, values) {
  select.append(new Option(first, ""), ...values.map((value) => new Option(value, value)));
}

document.title = `${data.workspace} – Masksmith gallery`;
document.querySelector("h1").textContent = data.workspace;
document.querySelector("h1").title = `${data.class_map}, ${total} structures; written ${data.written}`;
options(byId("source"), "masks from anywhere",
  [...new Set(data.cases.flatMap((one) => Object.keys(one.sources)))].sort());
options(byId("state"), "any state", [...new Set(data.cases.map((one) => one.state))].filter(Boolean).sort());
byId("structures").append(...data.structures.map((name) => new Option(name)));
for (const id of ["source", "state", "relation", "order"]) byId(id).addEventListener("change", refresh);
for (const id of ["words", "structure"]) byId(id).addEventListener("input", refresh);
byId("clear").addEventListener("click", clearFilters);
byId("help").addEventListener("click", showKeys);
byId("close").addEventListener("click", closeCase);
byId("next").addEventListener("click", () => openCase(state.current + 1));
byId("previous").addEventListener("click", () => openCase(state.current - 1));
byId("details").addEventListener("click", toggleAside);
for (const count of [1, 2, 3]) {
  const button = element("button", "", String(count));
  button.type = "button";
  button.title = `${count} ${count === 1 ? "column" : "columns"} (${count})`;
  button.addEventListener("click", () => setColumns(count));
  byId("columns").append(button);
}
refresh();
let columns = 2;
try { columns = Number(localStorage.getItem("masksmith-columns")) || 2; } catch { /* as above */ }
setColumns(Math.min(Math.max(columns, 1), 3));
const named = state.shown.findIndex((one) => `#${one.id}` === decodeURIComponent(location.hash));
if (named >= 0) openCase(named);
