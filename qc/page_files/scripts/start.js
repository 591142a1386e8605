/* What happens when the page opens. */
function wireHeader() {
  for (const id of [...CHOICES, "relation", "order"]) {
    byId(id).addEventListener("change", (event) => { refresh(); event.target.blur(); });
  }
  for (const id of ["words", "structure"]) byId(id).addEventListener("input", refresh);
  byId("structure").addEventListener("change", (event) => event.target.blur());
  const acts = {
    clear: clearFilters, help: showKeys, close: closeCase, next, previous, details: toggleAside, compare: toggleCompare,
    export: exportVerdicts, undo: () => goTo(undo()), forget: forgetExported, accept: acceptCase, edit: openEditor,
    sheet: toggleSheet, large: toggleLarge,
  };
  for (const [id, act] of Object.entries(acts)) {
    byId(id).addEventListener("click", (event) => { act(); event.currentTarget.blur(); });
  }
  for (const each of byId("views").children) {
    each.addEventListener("click", () => { setView(each.dataset.view); if (state.view === "cases") each.blur(); });
  }
  for (const count of [1, 2, 3]) {
    byId("columns").append(button("", String(count), `${count} ${count === 1 ? "column" : "columns"} (${count})`, () => setColumns(count)));
  }
  const by = byId("by");
  by.value = recall("masksmith-by") || "";
  by.addEventListener("input", () => remember("masksmith-by", by.value.trim().slice(0, 200)));
}

function showFoot() {
  byId("foot-keys").textContent = FOOT[state.open ? "open" : state.view];
  byId("undo").disabled = !verdicts.list.length || isGone(verdicts.list.at(-1));
  byId("export").hidden = Boolean(server.user);
  byId("forget").hidden = !verdicts.list.some(isGone);
}

document.title = `${data.workspace} – Masksmith gallery`;
document.querySelector("h1").textContent = data.workspace;
document.querySelector("h1").title = `${data.class_map}, ${total} structures; written ${data.written}`;
readVerdicts();
indexVerdicts();
indexByCase();
fillFilters();
wireHeader();
byId("order").value = data.cases.some((one) => one.findings.length) ? "suspicion" : "id";
byId("aside").hidden = recall("masksmith-aside") === "hidden";
state.columns = Math.min(Math.max(Number(recall("masksmith-columns")) || 2, 1), 3);
setView("cases");
setColumns(state.columns);
verdicts.listeners.push(showFoot);
new MutationObserver(showFoot).observe(byId("viewer"), { attributes: true, attributeFilter: ["hidden"] });
new MutationObserver(showFoot).observe(byId("column"), { attributes: true, attributeFilter: ["hidden"] });
showFoot();
showSaved();
startServer();
const named = state.shown.findIndex((one) => `#${one.id}` === decodeURIComponent(location.hash));
if (named >= 0) openCase(named);
