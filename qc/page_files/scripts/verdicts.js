/* Verdicts: an append-only list kept in the browser, by workspace. What was exported or sent is
   marked; undo takes back the last one that was not. */
const KEPT_UNDER = `masksmith-verdicts-${data.workspace_id}`;
const REASONS = ["leaks out", "incomplete", "wrong name or side", "not there", "rough edge"];
const UNDO_MS = 6000;
const verdicts = { list: [], latest: new Map(), refused: new Map(), undone: [], kept: true, since: Date.now(), listeners: [] };
const keyOf = (caseId, structure) => `${caseId}\n${structure || ""}`;

function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function looksLikeVerdict(each) {
  return each && typeof each.id === "string" && typeof each.case === "string" && typeof each.decision === "string";
}

function readVerdicts() {
  const text = recall(KEPT_UNDER);
  if (text === null) return;
  try {
    const list = JSON.parse(text);
    if (Array.isArray(list)) verdicts.list = list.filter(looksLikeVerdict);
  } catch { tell("What this browser kept of the verdicts cannot be read", "error"); }
}

function indexVerdicts() {
  verdicts.latest.clear();
  verdicts.refused.clear();
  for (const each of verdicts.list) {
    const key = keyOf(each.case, each.structure);
    verdicts.refused.delete(key);
    (each.refused ? verdicts.refused : verdicts.latest).set(key, each);
  }
}

function keepVerdicts() {
  indexVerdicts();
  verdicts.kept = remember(KEPT_UNDER, JSON.stringify(verdicts.list));
  for (const listener of verdicts.listeners) listener();
}

/** Give the decision about a structure that stands: made here, of the mask that is in the picture. */
function decisionOf(one, place) {
  const structure = place === null ? null : data.structures[place];
  const last = verdicts.latest.get(keyOf(one.id, structure));
  if (!last || isOvertaken(one, place, last)) return null;
  if (place === null) return last.decision === "accept" && last.seen !== one.seen ? null : last;
  const mask = maskOf(one, place);
  return last.mask && (!mask || mask.id !== last.mask) ? null : last;
}

function decisionsIn(one) {
  const found = [];
  for (const place of one.judged || []) {
    const decision = decisionOf(one, place);
    if (decision) found.push([place, decision]);
  }
  return found;
}

function indexByCase() {
  for (const one of data.cases) one.judged = null;
  for (const each of verdicts.latest.values()) {
    const one = caseById.get(each.case);
    const place = each.structure === null ? undefined : placeOf.get(each.structure);
    if (one && place !== undefined) (one.judged ||= []).push(place);
  }
}

/** Say how a structure stands: what was decided here, else what the ledger knew. */
function stateAt(one, place) {
  const words = { accept: "accepted", fix: "flagged", absent_fov: "out of view", absent_anatomy: "not in this body" };
  const here = decisionOf(one, place);
  if (here) return here.reason ? `${words[here.decision]}: ${here.reason}` : words[here.decision];
  const newer = liveWords(one, place);
  if (newer) return newer;
  const mask = maskOf(one, place);
  if (mask && mask.state !== "f" && mask.state !== "a" && (decisionOf(one, null) || {}).decision === "accept" && one.present.has(place)) {
    return "accepted with the case";
  }
  return mask ? STATES[mask.state] || "" : "no mask";
}

/** Give the last decision about a structure (null: the case) if the server refused it. */
const refusedOf = (one, place) => verdicts.refused.get(keyOf(one.id, place === null ? null : data.structures[place]));
const refusedIn = (one) => [...verdicts.refused.values()].filter((each) => each.case === one.id);

function secondsSince() {
  const seconds = Math.min((Date.now() - verdicts.since) / 1000, 600);
  verdicts.since = Date.now();
  return Math.round(seconds * 10) / 10;
}

function decide(one, place, decision, reason = "") {
  const mask = place === null ? undefined : maskOf(one, place);
  readVerdicts();
  const verdict = {
    id: newId(), case: one.id, structure: place === null ? null : data.structures[place],
    mask: mask ? mask.id : null, decision, reason, seconds: secondsSince(), created: new Date().toISOString(),
  };
  if (place === null && decision === "accept") verdict.seen = one.seen;
  verdicts.list.push(verdict);
  verdicts.undone = [];
  keepVerdicts();
  return verdict;
}

const isGone = (each) => Boolean(each.sent || each.exported || server.underway.has(each.id));

function undo() {
  readVerdicts();
  const last = verdicts.list.at(-1);
  if (!last) { tell("Nothing to undo"); return null; }
  if (isGone(last)) {
    tell(`The last one was ${last.exported ? "exported" : "sent"} already; decide anew instead`, "warn");
    return null;
  }
  verdicts.list.pop();
  verdicts.undone.push(last);
  keepVerdicts();
  tell(`Taken back: ${sayVerdict(last)}`);
  return last;
}

function redo() {
  const last = verdicts.undone.pop();
  if (!last) { tell("Nothing to do again"); return null; }
  readVerdicts();
  verdicts.list.push({ ...last, id: newId() });
  keepVerdicts();
  tell(`Again: ${sayVerdict(last)}`);
  return last;
}

function sayVerdict(each) {
  const words = { accept: "accepted", fix: "flagged", absent_fov: "out of view", absent_anatomy: "not in this body",
    exclude_case: "excluded", include_case: "taken back in" };
  const what = each.structure ? each.structure.replaceAll("_", " ") : "whole case";
  return `${each.case} ${what} ${words[each.decision] || each.decision}${each.reason ? ` (${each.reason})` : ""}`;
}

/** Change the last verdict in place while it is only here: a reason, mostly. */
function amend(id, changes) {
  readVerdicts();
  const found = verdicts.list.find((each) => each.id === id);
  if (!found || isGone(found)) return false;
  Object.assign(found, changes);
  keepVerdicts();
  return true;
}

/* ---- out: a file, or the server ---- */
const FIELDS = ["id", "case", "structure", "mask", "decision", "reason", "seconds", "created", "seen"];

function documentOf(list) {
  const plain = (each) => Object.fromEntries(FIELDS.filter((name) => each[name] !== undefined).map((name) => [name, each[name]]));
  return {
    format: "masksmith-verdicts", version: 1, workspace: data.workspace, workspace_id: data.workspace_id,
    by: recall("masksmith-by") || "", verdicts: list.map(plain),
  };
}

function exportVerdicts() {
  readVerdicts();
  if (!verdicts.list.length) { tell("No verdicts to export yet"); return; }
  const text = JSON.stringify({ ...documentOf(verdicts.list), written: new Date().toISOString() }, null, 1);
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  link.download = `verdicts-${data.workspace.replace(/[^A-Za-z0-9._-]/g, "-")}-${new Date().toISOString().slice(0, 10)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  for (const each of verdicts.list) each.exported = true;
  keepVerdicts();
  tell(`${verdicts.list.length} verdicts exported; take them in with: masksmith verdicts import ${link.download}`, "ok");
}

function forgetExported() {
  readVerdicts();
  verdicts.list = verdicts.list.filter((each) => !each.sent && !each.exported);
  keepVerdicts();
}

window.addEventListener("storage", (event) => {
  if (event.key !== KEPT_UNDER) return;
  verdicts.list = [];
  readVerdicts();
  indexVerdicts();
  for (const listener of verdicts.listeners) listener();
});
verdicts.listeners.push(indexByCase);

/** Say something for a moment, at the foot of the page. */
function tell(words, kind = "") {
  const line = byId("told");
  line.textContent = words;
  line.className = kind;
  clearTimeout(tell.timer);
  tell.timer = setTimeout(() => { line.textContent = ""; }, 8000);
}
