/* Keys, the same wherever a person is; off while a text is typed. */
const KEYS = [
  ["All cases", [["← → ↑ ↓  j k", "choose a case"], ["Enter", "open it"], ["1 2 3", "columns"],
    ["g", "cases, or one structure of all"], ["/", "find"], ["Esc", "clear the filters"]]],
  ["One picture", [["→ n    ← p", "next, previous case; the zoom stays"], ["Enter", "accept the case, go on"],
    ["Shift+Enter", "accept the structure"], ["x, click", "flag the structure; then 1 to 5: why"],
    ["a, then 1 2", "absent: out of view, not in this body"], ["w   q", "next, previous finding"],
    ["c   [ ]", "earlier round beside it; which one"], ["Space", "hold: the earlier picture in place"],
    ["wheel, + -", "zoom"], ["drag", "move"], ["double click, z", "100 % or whole"], ["i", "the list beside it"],
    ["s", "CT slices through the findings"], ["u", "the structure close up (from the workbench)"],
    ["Home End", "first, last case"], ["Esc", "back"]]],
  ["One structure", [["← → ↑ ↓", "choose a case"], ["x", "flag"], ["Shift+Enter", "accept"], ["Enter", "open"]]],
  ["Everywhere", [["Ctrl+Z", "take the last decision back"], ["Ctrl+Shift+Z", "decide it again"], ["s", "export the verdicts (among all cases)"], ["e", "correct it in the workbench"], ["?", "these keys"]]],
];
const FOOT = {
  open: "Enter accept case · Shift+Enter accept structure · click or X flag · W next finding · C compare · Z zoom · ? keys",
  cases: "← → ↑ ↓ choose · Enter open · / find · G one structure · ? keys",
  column: "← → ↑ ↓ choose · X flag · Shift+Enter accept · Enter open · G cases · ? keys",
};

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

function moveTo(place) {
  if (!state.shown.length) return;
  state.current = Math.min(Math.max(place, 0), state.shown.length - 1);
  activeGrid().reveal(state.current);
  if (state.view === "column") drawSpread();
}

const zoomMiddle = (factor) => hasPicture() && zoomAt(pane().width / 2, pane().height / 2, factor);
const next = () => openCase(state.current + 1);
const previous = () => openCase(state.current - 1);
const inViewer = {
  Escape: () => {
    if (!byId("strip").hidden) showFlagged(null);
    else if (plateOf) closePlate();
    else closeCase();
  },
  ArrowRight: next, ArrowDown: next, n: next, j: next, ArrowLeft: previous, ArrowUp: previous, p: previous, k: previous,
  Home: () => openCase(0), End: () => openCase(state.shown.length - 1),
  Enter: acceptCase, "Shift+Enter": () => acceptStructure(target()), x: () => toggleFlag(target()), a: askAbsent,
  w: () => stepFinding(1), q: () => stepFinding(-1), c: toggleCompare, "[": () => chooseEarlier(1), "]": () => chooseEarlier(-1),
  z: () => hasPicture() && (pointer[0] < 0 ? toggleZoom(pane().width / 2, pane().height / 2) : toggleZoom(...pointer)),
  "+": () => zoomMiddle(1.25), "=": () => zoomMiddle(1.25), "-": () => zoomMiddle(0.8), i: toggleAside, " ": () => blink(true),
  s: toggleSheet, u: toggleLarge,
};
for (let number = 1; number <= 5; number += 1) inViewer[number] = () => giveReason(number - 1);

const step = (amount) => moveTo(state.current + amount);
const inOverview = {
  ArrowRight: () => step(1), ArrowLeft: () => step(-1), j: () => step(1), k: () => step(-1), n: () => step(1), p: () => step(-1),
  ArrowDown: () => step(activeGrid().columns), ArrowUp: () => step(-activeGrid().columns),
  Home: () => moveTo(0), End: () => moveTo(state.shown.length - 1),
  Enter: () => (state.view === "column" ? openTile(state.current) : openCase(state.current)),
  Escape: clearFilters, "/": () => byId("words").focus(), g: () => setView(state.view === "column" ? "cases" : "column"),
};
for (const count of [1, 2, 3]) {
  inOverview[count] = () => (byId("strip").hidden ? state.view === "cases" && setColumns(count) : giveReason(count - 1));
}
for (const number of [4, 5]) inOverview[number] = () => giveReason(number - 1);
const inColumn = { x: () => toggleFlag(state.structure), "Shift+Enter": () => acceptStructure(state.structure) };
const everywhere = { "?": showKeys, s: exportVerdicts, e: openEditor };

/* Keys that go on while they are held; none that decides does, or Enter would accept cases nobody has seen. */
const HELD = new Set(["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "j", "k", "n", "p", "w", "q", "[", "]", "+", "=", "-"]);

function nameOf(event) {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return event.shiftKey && key === "Enter" ? "Shift+Enter" : key;
}

function actionOf(event) {
  const key = nameOf(event);
  const own = state.open ? inViewer : { ...inOverview, ...(state.view === "column" && state.structure !== undefined ? inColumn : {}) };
  return Object.hasOwn(own, key) ? own[key] : everywhere[key];
}

function typing(event) {
  if (!event.target.matches("input, select")) return false;
  if (event.key === "Escape" || (event.key === "Enter" && event.target.matches("input"))) {
    event.preventDefault();
    event.target.blur();
  }
  return true;
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z" && !event.target.matches("input")) {
    event.preventDefault();
    goTo(event.shiftKey ? redo() : undo());
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && !byId("keys").hidden) { showKeys(); return; }
  if (typing(event)) return;
  const action = actionOf(event);
  if (!action) return;
  event.preventDefault();
  if (!event.repeat || HELD.has(nameOf(event))) action();
});
document.addEventListener("keyup", (event) => { if (event.key === " ") blink(false); });
