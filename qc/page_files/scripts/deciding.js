/* What keys and clicks decide, and the strip that asks for a reason. */
const flagged = { id: null, kind: null, one: null, place: null };

/** Say what a key is about: what lies under the pointer, else what was chosen. */
function target() {
  if (state.hover !== null) return state.hover;
  return state.chosen && state.chosen.length ? state.chosen[0] : null;
}

function toggleFlag(place) {
  const one = openOne() || state.shown[state.current];
  if (!one) return;
  if (place === null) { tell("Point at a structure, or choose one with Q and W"); return; }
  const now = decisionOf(one, place);
  if (now && now.decision === "fix" && !isGone(now)) {
    takeBack(now);
    showFlagged(null);
  } else if (!maskOf(one, place)) {
    tell(`There is no mask of ${plainName(place)} to flag; A says that it is absent`, "warn");
    return;
  } else {
    showFlagged("fix", decide(one, place, "fix"), one, place);
  }
  afterDecision();
}

function takeBack(verdict) {
  readVerdicts();
  verdicts.list = verdicts.list.filter((each) => each.id !== verdict.id);
  keepVerdicts();
  tell(`Taken back: ${sayVerdict(verdict)}`);
}

function acceptStructure(place) {
  const one = openOne() || state.shown[state.current];
  if (!one || place === null) { tell("Point at a structure, or choose one with Q and W"); return; }
  if (!one.present.has(place) || !maskOf(one, place)) {
    tell(`There is no mask of ${plainName(place)} to accept`, "warn");
    return;
  }
  tell(sayVerdict(decide(one, place, "accept")), "ok");
  showFlagged(null);
  afterDecision();
}

function acceptCase() {
  const one = openOne();
  if (!one) return;
  if (!one.picture || one.failure || !one.seen) {
    tell("This picture is older than the masks: run masksmith gallery, or decide structure by structure", "warn");
    return;
  }
  tell(sayVerdict(decide(one, null, "accept")), "ok");
  afterDecision();
  openCase(state.current + 1);
}

function excludeCase(reason) {
  const one = openOne();
  if (!one || !reason.trim()) { tell("Say why the case is left out", "warn"); return; }
  tell(sayVerdict(decide(one, null, "exclude_case", reason.trim().slice(0, 500))), "warn");
  afterDecision();
}

function askAbsent() {
  const place = target();
  const one = openOne();
  if (!one || place === null) { tell("Choose a structure of the list first"); return; }
  showFlagged("absent", null, one, place);
}

/** Show the strip under the picture: reasons of a flag, or kinds of absence. */
function showFlagged(kind, verdict = null, one = null, place = null) {
  Object.assign(flagged, { kind, id: verdict ? verdict.id : null, one, place });
  const strip = byId("strip");
  strip.hidden = kind === null;
  if (kind === null) return;
  const choices = kind === "fix" ? REASONS : ["out of the CT's view", "not in this body"];
  const words = kind === "fix" ? `${plainName(place)} flagged. Why?` : `${plainName(place)} is absent:`;
  strip.replaceChildren(element("b", "", words),
    ...choices.map((choice, at) => button("", `${at + 1} ${choice}`, "", () => giveReason(at))));
}

/** Take the number key pressed after a flag. Returns whether it meant anything. */
function giveReason(at) {
  const { kind, id, one, place } = flagged;
  if (kind === "fix" && at < REASONS.length) {
    if (!amend(id, { reason: REASONS[at] })) tell("Too late: it is sent already; flag it again", "warn");
  } else if (kind === "absent" && at < 2) {
    decide(one, place, at ? "absent_anatomy" : "absent_fov");
  } else {
    return false;
  }
  tell(`${one.id} ${plainName(place)}: ${stateAt(one, place)}`);
  showFlagged(null);
  afterDecision();
  return true;
}

function afterDecision() {
  fillTip();
  fillAside();
  drawMarks();
  activeGrid().renew(state.current);
}

/** Go back to where the last decision was taken back, so that it is seen. */
function goTo(verdict) {
  if (!verdict) return;
  const at = state.shown.findIndex((one) => one.id === verdict.case);
  showFlagged(null);
  if (state.open && at >= 0 && at !== state.current) openCase(at);
  afterDecision();
}
