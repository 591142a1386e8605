/* A grid of which only the rows near the window exist: a thousand cases weigh as much as thirty. */
class VirtualGrid {
  constructor(box, make) {
    this.box = box;
    this.make = make;
    this.made = new Map();
    this.count = 0;
    this.columns = 1;
    this.rowHeight = 100;
    this.gap = 12;
    window.addEventListener("scroll", () => this.plan(), { passive: true });
    window.addEventListener("resize", () => { if (!box.hidden) this.layOut(); });
  }

  /** Show so many items anew. */
  show(count, measure) {
    this.count = count;
    this.measure = measure;
    this.made.forEach((made) => made.remove());
    this.made.clear();
    this.layOut();
  }

  layOut() {
    if (!this.measure) return;
    const width = this.box.clientWidth - 28;
    const before = `${this.columns} ${this.rowHeight}`;
    Object.assign(this, this.measure(width));
    this.width = (width - this.gap * (this.columns - 1)) / this.columns;
    this.box.style.height = `${Math.ceil(this.count / this.columns) * (this.rowHeight + this.gap) + 14}px`;
    if (before !== `${this.columns} ${this.rowHeight}`) this.made.forEach((made, place) => this.put(made, place));
    this.draw();
  }

  put(made, place) {
    const [row, column] = [Math.floor(place / this.columns), place % this.columns];
    made.style.transform = `translate(${14 + column * (this.width + this.gap)}px, ${14 + row * (this.rowHeight + this.gap)}px)`;
    made.style.width = `${this.width}px`;
    made.style.height = `${this.rowHeight}px`;
  }

  plan() {
    if (this.planned || this.box.hidden) return;
    this.planned = true;
    requestAnimationFrame(() => { this.planned = false; this.draw(); });
  }

  draw() {
    if (this.box.hidden) return;
    const top = -this.box.getBoundingClientRect().top;
    const row = this.rowHeight + this.gap;
    const first = Math.max(Math.floor((top - innerHeight * 0.7) / row), 0) * this.columns;
    const last = Math.min(Math.ceil((top + innerHeight * 1.7) / row) * this.columns, this.count);
    for (const [place, made] of this.made) {
      if (place < first || place >= last) { made.remove(); this.made.delete(place); }
    }
    for (let place = first; place < last; place += 1) {
      if (this.made.has(place)) continue;
      const made = this.make(place);
      this.put(made, place);
      this.made.set(place, made);
      this.box.append(made);
    }
    this.mark();
  }

  mark() {
    for (const [place, made] of this.made) made.classList.toggle("current", place === state.current);
  }

  /** Scroll so that an item can be seen below the header. */
  reveal(place) {
    if (place < 0) return;
    const row = Math.floor(place / this.columns) * (this.rowHeight + this.gap) + 14;
    const head = byId("head").offsetHeight;
    const top = this.box.getBoundingClientRect().top + row;
    if (top < head + 8) scrollBy(0, top - head - 8);
    else if (top + this.rowHeight > innerHeight - 44) scrollBy(0, top + this.rowHeight - innerHeight + 44);
    this.draw();
  }

  /** Draw an item again where it is. */
  renew(place) {
    const old = this.made.get(place);
    if (!old) return;
    const made = this.make(place);
    this.put(made, place);
    old.replaceWith(made);
    this.made.set(place, made);
    made.classList.toggle("current", place === state.current);
  }
}

function severityDots(counts) {
  const dots = element("span", "dots");
  for (const severity of [2, 1, 0]) {
    if (!counts[severity]) continue;
    const dot = element("span", `dot ${SEVERITIES[severity]}`, String(counts[severity]));
    dot.title = `${counts[severity]} of severity ${SEVERITIES[severity]}`;
    dots.append(dot);
  }
  return dots;
}

function decisionWords(one) {
  const found = [];
  const whole = decisionOf(one, null);
  if (whole) found.push(whole.decision === "accept" ? ["ok", "accepted here"] : ["warn", "excluded here"]);
  const flagged = decisionsIn(one).filter(([, each]) => each.decision === "fix").length;
  if (flagged) found.push(["error", `${flagged} flagged`]);
  const refused = refusedIn(one).length;
  if (refused) found.push(["error", `${refused} not recorded`]);
  return found;
}

function card(place) {
  const one = state.shown[place];
  const made = button("card", undefined, "", () => openCase(place));
  made.dataset.case = one.id;
  if (one.picture) {
    const shot = element("img", "shot");
    shot.decoding = "async";
    shot.loading = "lazy";
    shot.alt = "";
    shot.src = fileOf(one, "thumbnails", "webp");
    made.append(shot);
  } else {
    made.append(element("div", "shot none", one.failure || "no picture yet: run masksmith gallery"));
  }
  made.append(cardLine(one), cardFacts(one));
  return made;
}

function cardLine(one) {
  const line = element("div", "line");
  line.append(element("b", "", one.id));
  if (one.picture) line.append(element("span", "numbers", `${one.present.size} of ${total}`));
  if (one.findings.length) line.append(severityDots(one.counts));
  for (const [kind, words] of decisionWords(one)) line.append(element("span", kind, words));
  if (one.excluded) line.append(element("span", "warn", "excluded"));
  if (one.failure && one.picture) line.append(element("span", "error", `older picture: ${one.failure}`));
  return line;
}

function cardFacts(one) {
  const line = element("div", "line facts");
  const worst = [...one.findings].sort((a, b) => b.severity - a.severity)[0];
  if (worst) line.append(element("span", SEVERITIES[worst.severity], worst.words));
  const plain = [one.phase, ...one.meta, sourcesOf(one) || "no masks", one.accepted ? `accepted: ${one.accepted}` : ""];
  line.append(element("span", "dim", plain.filter(Boolean).join(SEPARATOR)));
  if (one.picture && one.picture.unknown.length) {
    line.append(element("span", "warn", `unknown label values: ${one.picture.unknown.join(", ")}`));
  }
  return line;
}

const grid = new VirtualGrid(byId("grid"), card);

function drawGrid() {
  grid.show(state.shown.length, (width) => {
    const columns = innerWidth < 900 ? 1 : state.columns;
    return { columns, rowHeight: Math.round((width - 12 * (columns - 1)) / columns / 5) + 58 };
  });
}

function drawEmpty() {
  const empty = byId("empty");
  empty.hidden = state.shown.length > 0;
  if (state.shown.length) return;
  const nothing = data.cases.length === 0;
  const why = element("strong", "", nothing ? "No cases yet" : "No case fits these filters");
  empty.replaceChildren(why, element("span", "", nothing ? "Take CTs in, then draw them: " : "Press Esc or "));
  if (nothing) empty.append(element("code", "", "masksmith intake PATH && masksmith bootstrap && masksmith gallery"));
  else empty.append(button("", "clear the filters", "", clearFilters));
}

function drawView() {
  byId("grid").hidden = state.view !== "cases";
  byId("column").hidden = state.view !== "column";
  drawEmpty();
  scrollTo(0, 0);
  if (state.view === "column") drawColumn(); else drawGrid();
}

const activeGrid = () => (state.view === "column" ? tiles : grid);

function setColumns(count) {
  state.columns = count;
  for (const each of byId("columns").children) each.setAttribute("aria-pressed", String(each.textContent === String(count)));
  remember("masksmith-columns", count);
  if (state.view === "cases") { grid.layOut(); grid.reveal(state.current); }
}
