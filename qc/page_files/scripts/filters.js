/* Which cases are shown, and in which order. */
const CHOICES = ["source", "state", "site", "scanner", "kind", "mine"];

function wanted() {
  const name = byId("structure").value.trim().replaceAll(" ", "_");
  return {
    words: byId("words").value.trim().toLowerCase().split(/\s+/).filter(Boolean),
    ...Object.fromEntries(CHOICES.map((id) => [id, byId(id).value])),
    relation: byId("relation").value,
    structure: placeOf.get(name),
    unknown: name !== "" && !placeOf.has(name),
    order: byId("order").value,
  };
}

const MINE = {
  open: (one) => !decisionOf(one, null) && !decisionsIn(one).length,
  accepted: (one) => (decisionOf(one, null) || {}).decision === "accept",
  flagged: (one) => decisionsIn(one).some(([, decision]) => decision.decision === "fix"),
};

function fits(one, want) {
  return want.words.every((word) => one.words.includes(word))
    && (!want.source || want.source in one.sources)
    && (!want.state || one.state === want.state)
    && (!want.site || one.site === want.site)
    && (!want.scanner || one.scanner === want.scanner)
    && (!want.kind || one.kinds.has(want.kind))
    && (!want.mine || MINE[want.mine](one))
    && (want.structure === undefined || fitsStructure(one, want));
}

function fitsStructure(one, want) {
  if (state.view === "column") return one.present.has(want.structure);
  if (!one.picture) return false;
  if (want.relation === "cut") return one.cut.has(want.structure);
  if (want.relation === "suspicious") return one.findingsAt.has(want.structure);
  return one.present.has(want.structure) === (want.relation === "present");
}

const volumeIn = (one, place) => (maskOf(one, place) || {}).volume ?? 0;
const ORDERS = {
  suspicion: (want) => (a, b) => (want.structure !== undefined && state.view === "column"
    ? suspicionOf(b, want.structure) - suspicionOf(a, want.structure) : 0) || b.suspicion - a.suspicion,
  id: () => () => 0,
  fewest: () => (a, b) => a.present.size - b.present.size,
  most: () => (a, b) => b.present.size - a.present.size,
  smallest: (want) => (a, b) => volumeIn(a, want.structure) - volumeIn(b, want.structure),
  largest: (want) => (a, b) => volumeIn(b, want.structure) - volumeIn(a, want.structure),
  oddest: (want) => {
    const odd = oddness(want.structure);
    return (a, b) => Math.abs(odd(b)) - Math.abs(odd(a));
  },
};

/** Say how far a volume is from those of all cases, in robust standard deviations of its logarithm. */
function oddness(place) {
  const logs = data.cases.filter((one) => one.present.has(place) && !one.cut.has(place) && volumeIn(one, place) > 0)
    .map((one) => Math.log(volumeIn(one, place)));
  if (logs.length < 5) return () => 0;
  const middle = median(logs);
  const spread = Math.max(1.4826 * median(logs.map((value) => Math.abs(value - middle))), 0.03);
  return (one) => (volumeIn(one, place) > 0 ? (Math.log(volumeIn(one, place)) - middle) / spread : 0);
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

function refresh() {
  const want = wanted();
  const kept = openOne();
  state.structure = want.structure;
  state.shown = data.cases.filter((one) => fits(one, want));
  const needsStructure = ["smallest", "largest", "oddest"].includes(want.order) && want.structure === undefined;
  const compare = (needsStructure ? ORDERS.id : ORDERS[want.order])(want);
  state.shown.sort((a, b) => compare(a, b) || (a.id < b.id ? -1 : 1));
  state.current = Math.max(state.shown.indexOf(kept), state.shown.length ? 0 : -1);
  showFilters(want);
  const all = data.cases.length;
  byId("count").textContent =
    state.shown.length === all ? `${all} ${all === 1 ? "case" : "cases"}` : `${state.shown.length} of ${all} cases`;
  drawView();
}

function showFilters(want) {
  const used = {
    words: want.words.length > 0, structure: want.structure !== undefined,
    ...Object.fromEntries(CHOICES.map((id) => [id, want[id] !== ""])),
  };
  for (const [id, on] of Object.entries(used)) byId(id).classList.toggle("used", on);
  byId("structure").classList.toggle("unknown", want.unknown);
  byId("clear").hidden = !Object.values(used).some(Boolean) && !want.unknown;
  byId("relation").hidden = state.view === "column";
  for (const option of byId("order").options) {
    if (option.dataset.view) option.hidden = option.disabled = option.dataset.view !== state.view;
  }
}

function clearFilters() {
  for (const id of ["words", ...CHOICES]) byId(id).value = "";
  if (state.view !== "column") byId("structure").value = "";
  refresh();
}

function options(select, first, values) {
  select.append(new Option(first, ""), ...values.map((value) => new Option(value, value)));
  if (!values.length) select.hidden = true;
}

function distinct(read) {
  return [...new Set(data.cases.flatMap(read))].filter(Boolean).sort();
}

function fillFilters() {
  options(byId("source"), "masks from anywhere", distinct((one) => Object.keys(one.sources)));
  options(byId("state"), "any state", distinct((one) => one.state));
  options(byId("site"), "any site", distinct((one) => one.site));
  options(byId("scanner"), "any scanner", distinct((one) => one.scanner));
  options(byId("kind"), "any finding", distinct((one) => [...one.kinds]));
  for (const option of byId("kind").options) option.text = option.text.replaceAll("_", " ");
  byId("structures").append(...data.structures.map((name) => new Option(name)));
}
