"use strict";
// Everything from outside is set as text, never as HTML.
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const total = data.structures.length;
const SEPARATOR = "  ·  ";
const SEVERITIES = ["low", "medium", "high"];
const STATES = { a: "accepted", p: "to check", e: "empty", f: "sent back", x: "out of view", y: "not in this body" };
const placeOf = new Map(data.structures.map((name, place) => [name, place]));
const placeOfValue = new Map(data.values.map((value, place) => [value, place]));
const plainName = (place) => data.structures[place].replaceAll("_", " ");

const state = {
  view: "cases", shown: [], current: -1, open: false, columns: 2, zoom: null,
  hover: null, chosen: null, compare: false, earlier: 0, blink: false,
};

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(className, text, title, act) {
  const made = element("button", className, text);
  made.type = "button";
  if (title) made.title = title;
  made.addEventListener("click", act);
  return made;
}

/** Give the state of a structure in a case as the ledger had it, or undefined without a mask. */
function maskOf(one, place) { return one.maskAt.get(place); }

function prepare(one) {
  one.present = new Set(one.picture ? one.picture.present : []);
  one.cut = new Set(one.picture ? one.picture.cut : []);
  one.words = [one.id, one.phase, one.state, ...one.meta, ...Object.keys(one.sources)].join(" ").toLowerCase();
  one.maskAt = new Map(one.masks.places.map((place, at) => [place, {
    volume: one.masks.volumes[at], box: one.masks.boxes[at], id: one.masks.ids[at], state: one.masks.states[at],
  }]));
  one.findingsAt = new Map();
  for (const finding of one.findings) {
    for (const place of finding.structures) {
      if (!one.findingsAt.has(place)) one.findingsAt.set(place, []);
      one.findingsAt.get(place).push(finding);
    }
  }
  one.suspicion = one.findings.reduce((sum, finding) => sum + weightOf(one, finding), 0);
  one.counts = SEVERITIES.map((_, severity) => one.findings.filter((each) => each.severity === severity).length);
  one.kinds = new Set(one.findings.map((each) => each.kind));
}

/** Weigh a finding; what a person has accepted or called absent weighs nothing any more. */
function weightOf(one, finding) {
  const decided = (place) => "axy".includes((maskOf(one, place) || { state: "p" }).state);
  const settled = finding.structures.length > 0 && finding.structures.every(decided);
  return settled ? 0 : data.weights[finding.severity];
}

function suspicionOf(one, place) {
  return (one.findingsAt.get(place) || []).reduce((sum, each) => sum + weightOf(one, each), 0);
}

function fileOf(one, folder, ending, version) {
  const mark = version || (one.picture ? one.picture.version : "");
  return `${folder}/${encodeURIComponent(one.id)}.${ending}?v=${encodeURIComponent(mark)}`;
}

function earlierFile(one, earlier) {
  return `images/history/${encodeURIComponent(one.id)}-${encodeURIComponent(earlier.version)}.png`;
}

function sourcesOf(one) {
  return Object.entries(one.sources).map(([name, count]) => `${name}: ${count}`).join(SEPARATOR);
}

function millilitres(volume) {
  if (volume === null || volume === undefined) return "";
  return volume >= 100 ? `${Math.round(volume)} ml` : `${Number(volume.toPrecision(3))} ml`;
}

/** Keep a value of this page in the browser; a page from disk may not be allowed to. */
function remember(name, value) {
  try { localStorage.setItem(name, value); } catch { return false; }
  return true;
}

function recall(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}

data.cases.forEach(prepare);
const caseById = new Map(data.cases.map((one) => [one.id, one]));
