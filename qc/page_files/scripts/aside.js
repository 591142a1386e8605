/* Beside the picture: findings, structures, facts of the case. */
function fillAside() {
  const one = openOne();
  if (!one) return;
  const top = byId("aside").scrollTop;
  const facts = [one.picture ? `${one.present.size} of ${total}` : "", one.phase, one.grid].filter(Boolean);
  byId("facts").textContent = facts.join(SEPARATOR);
  const parts = [...caseLines(one), ...findingLines(one), ...structureLines(one), ...factLines(one)];
  byId("aside").replaceChildren(...parts);
  byId("aside").scrollTop = top;
}

function caseLines(one) {
  const whole = decisionOf(one, null);
  const made = [];
  const older = one.failure && one.picture;
  if (one.failure) made.push(element("p", "error", `${older ? "This picture is older: " : "Not drawn: "}${one.failure}`));
  if (whole) {
    const words = { accept: "Accepted here", exclude_case: "Excluded here", include_case: "Taken back in" }[whole.decision];
    made.push(element("p", whole.decision === "accept" ? "ok" : "warn", whole.reason ? `${words}: ${whole.reason}` : words));
  }
  for (const each of refusedIn(one)) made.push(element("p", "error", `Not recorded: ${sayVerdict(each)}: ${each.refused}`));
  return made;
}

function findingLines(one) {
  if (!one.findings.length) return [element("h2", "", "Findings"), element("p", "dim", "none")];
  const list = element("div", "findings");
  const sorted = [...one.findings].sort((a, b) => b.severity - a.severity);
  for (const finding of sorted) {
    const made = button(`finding ${SEVERITIES[finding.severity]}`, undefined, "Look there", () => chooseFinding(finding));
    made.classList.toggle("chosen", finding === state.finding);
    if (finding.number) made.append(element("span", "number", String(finding.number)));
    made.append(element("span", "dim", finding.kind.replaceAll("_", " ")), element("span", "words", finding.words));
    list.append(made);
  }
  return [element("h2", "", `Findings (${one.findings.length})`), list];
}

function structureLines(one) {
  const here = data.structures.map((_, place) => place);
  const shown = here.filter((place) => one.present.has(place));
  const absent = here.filter((place) => !one.present.has(place));
  const list = (title, places) => {
    if (!places.length) return [];
    const items = element("ul");
    items.append(...places.map((place) => row(one, place)));
    return [element("h2", "", `${title} (${places.length})`), items];
  };
  return one.picture ? [...list("Structures", shown), ...list("Missing", absent)] : [];
}

function row(one, place) {
  const made = element("li");
  made.dataset.place = place;
  const swatch = element("i");
  swatch.style.background = one.present.has(place) ? data.colours[place] : "transparent";
  const mask = maskOf(one, place);
  const found = one.findingsAt.get(place) || [];
  const said = decisionOf(one, place);
  const newer = liveWords(one, place);
  const mark = element("em", "", said || newer ? stateAt(one, place) : { a: "accepted", f: "sent back", x: "out of view", y: "not there" }[mask && mask.state] || "");
  if (newer) mark.className = "warn";
  if (said) mark.className = said.decision === "fix" ? "error" : "ok";
  made.append(swatch, element("span", "what", plainName(place)), mark, element("span", "dim", mask && one.present.has(place) ? millilitres(mask.volume) : ""));
  if (one.cut.has(place)) made.append(element("small", "dim", "cut"));
  if (found.length) made.classList.add(SEVERITIES[Math.max(...found.map((each) => each.severity))]);
  made.classList.toggle("chosen", Boolean(state.chosen && state.chosen.includes(place)));
  return made;
}

function factLines(one) {
  const made = [element("h2", "", "Masks from"), element("p", "", sourcesOf(one) || "none yet")];
  if (one.meta.length) made.push(element("h2", "", "Case"), element("p", "", one.meta.join(SEPARATOR)));
  if (one.picture && one.picture.unknown.length) {
    made.push(element("h2", "", "Label values not in the class map"), element("p", "warn", one.picture.unknown.join(", ")));
  }
  const reason = element("input");
  reason.placeholder = "Leave the case out, because …";
  reason.maxLength = 500;
  reason.id = "exclude";
  reason.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.stopPropagation();
    excludeCase(reason.value);
  });
  made.push(element("h2", "", "Exclude"), reason);
  return made;
}

function markRows() {
  for (const made of byId("aside").querySelectorAll("li")) made.classList.toggle("under", Number(made.dataset.place) === state.hover);
}

byId("aside").addEventListener("pointerover", (event) => {
  const made = event.target.closest("li");
  const place = made ? Number(made.dataset.place) : null;
  if (place === state.hover) return;
  state.hover = place;
  byId("tip").hidden = true;
  drawMarks();
});
byId("aside").addEventListener("pointerleave", () => { state.hover = null; drawMarks(); });
byId("aside").addEventListener("click", (event) => {
  const made = event.target.closest("li");
  if (made) choose([Number(made.dataset.place)]);
});

/** Give the box around some boxes, null where there are none. */
function around(boxes) {
  if (!boxes.length) return null;
  return [0, 1, 2, 3].map((side) => (side < 2 ? Math.min : Math.max)(...boxes.map((box) => box[side])));
}

/** Choose structures: outlined, zoomed to, and what the keys are about. */
function choose(places) {
  const one = openOne();
  // The keys are about what was chosen now, until the pointer moves again.
  Object.assign(state, { chosen: places, hover: null });
  stage.classList.remove("pointing");
  fillTip();
  const largest = around(places.map((place) => (maskOf(one, place) || {}).box).filter(Boolean));
  const box = largest || (state.map ? boxOf(state.map, places) : null);
  if (box) zoomTo(box); else drawMarks();
  fillAside();
}

function chooseFinding(finding) {
  state.finding = finding;
  choose(finding.structures);
}

/** Go through the findings of a case, the worst first; beyond the last comes the first. */
function stepFinding(step) {
  const one = openOne();
  if (!one || !one.findings.length) { tell("Nothing was found here"); return; }
  const sorted = [...one.findings].sort((a, b) => b.severity - a.severity);
  const at = sorted.indexOf(state.finding);
  const next = at < 0 ? (step > 0 ? 0 : sorted.length - 1) : (at + step + sorted.length) % sorted.length;
  chooseFinding(sorted[next]);
}

function toggleAside() {
  byId("aside").hidden = !byId("aside").hidden;
  remember("masksmith-aside", byId("aside").hidden ? "hidden" : "");
  applyZoom();
}
