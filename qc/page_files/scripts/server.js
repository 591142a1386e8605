/* From the server: verdicts go to it some seconds after they were given, so that undo stays undo. */
const server = { there: location.protocol.startsWith("http"), user: "", csrf: "", wait: 0, busy: false, trouble: "", underway: new Set() };

async function openSession() {
  const answer = await fetch("/api/session", { headers: { Accept: "application/json" }, credentials: "same-origin" });
  if (!answer.ok) throw new Error(answer.status === 401 ? "not signed in" : `the server says ${answer.status}`);
  const session = await answer.json();
  if (typeof session.csrf !== "string") throw new Error("the server gave no session");
  server.user = String(session.user || "");
  server.csrf = session.csrf;
}

const toSend = (before) => verdicts.list.filter((each) => !each.sent && Date.parse(each.created) <= before);

async function sendVerdicts(atOnce = false) {
  if (!server.there || server.busy) return;
  readVerdicts();
  const list = toSend(atOnce ? Infinity : Date.now() - UNDO_MS).slice(0, 500);
  if (!list.length) return;
  server.busy = true;
  server.underway = new Set(list.map((each) => each.id));
  let refused = new Set();
  showSaved();
  try {
    if (!server.csrf) await openSession();
    const answer = await fetch("/api/verdicts", {
      method: "POST", credentials: "same-origin", keepalive: atOnce && list.length < 100,
      headers: { "Content-Type": "application/json", "X-Masksmith-CSRF": server.csrf },
      body: JSON.stringify({ ...documentOf(list), sent: new Date().toISOString() }),
    });
    if (!answer.ok) {
      server.csrf = "";
      const said = await answer.json().catch(() => ({}));
      throw new Error(said.error || `the server says ${answer.status}`);
    }
    refused = markSent(list, await answer.json().catch(() => ({})));
    server.trouble = "";
    server.wait = 0;
  } catch (error) {
    server.trouble = String(error.message || error);
    server.wait = Math.min(Math.max(server.wait * 2, 5000), 60000);
  } finally {
    server.busy = false;
    server.underway.clear();
    keepVerdicts();
  }
  for (const one of refused) { showAnew(one); lookAgain(one); }
}

/** Mark what the server has answered; give the cases of which it refused something. */
function markSent(list, said) {
  const refused = new Set();
  const notes = new Map((Array.isArray(said.results) ? said.results : []).map((each) => [each.id, each]));
  const sentIds = new Set(list.map((each) => each.id));
  readVerdicts();
  for (const each of verdicts.list.filter((one) => sentIds.has(one.id))) {
    Object.assign(each, { sent: true, sentAt: Date.now() });
    const note = notes.get(each.id);
    if (note && note.status === "failed") {
      each.refused = String(note.note).replace(/^verdict \d+: /, "");
      if (caseById.has(each.case)) refused.add(caseById.get(each.case));
      tell(`Not recorded: ${sayVerdict(each)}: ${each.refused}`, "error");
    }
  }
  return refused;
}

/** Say how the verdicts are kept, in the words of the moment. */
function savedWords() {
  const open = verdicts.list.filter((each) => !each.sent);
  if (!verdicts.kept) return ["this browser keeps nothing: export before closing the page", "error"];
  if (server.there && server.user) {
    if (server.busy) return ["saving", "dim"];
    if (server.trouble) return [`offline, ${open.length} kept here, retrying (${server.trouble})`, "warn"];
    return open.length ? [`${open.length} kept here, sent in a moment`, "dim"] : ["all sent", "ok"];
  }
  const loose = verdicts.list.filter((each) => !isGone(each)).length;
  const why = server.there && server.trouble ? ` (${server.trouble})` : "";
  if (!verdicts.list.length) return [`no verdicts yet${why}`, "dim"];
  return loose ? [`${loose} kept in this browser, not exported${why}`, "warn"] : [`${verdicts.list.length} exported${why}`, "ok"];
}

function showSaved() {
  const [words, kind] = savedWords();
  byId("saved").textContent = words;
  byId("saved").className = kind;
}
verdicts.listeners.push(showSaved);

/** Name the workbench's editor, at a structure where one is given. */
function editorAddress(one, place) {
  const structure = place === null ? "" : `/${encodeURIComponent(data.structures[place])}`;
  return `/editor.html#${encodeURIComponent(one.id)}${structure}`;
}

async function openEditor() {
  const one = openOne() || state.shown[state.current];
  if (!one) return;
  if (!server.user) { tell("The editor is there when the gallery is opened from the workbench: masksmith serve"); return; }
  const place = state.view === "column" && !state.open ? state.structure ?? null : target();
  await sendVerdicts(true);
  location.assign(editorAddress(one, place));
}

async function startServer() {
  if (!server.there) return;
  try { await openSession(); } catch (error) { server.trouble = String(error.message || error); }
  showSaved();
  showFoot();
  byId("by").hidden = Boolean(server.user);
  byId("edit").hidden = byId("home").hidden = !server.user;
  showPlateButtons();
  let next = 0;
  setInterval(() => {
    if (Date.now() < next) return;
    sendVerdicts().then(() => { next = Date.now() + server.wait; });
  }, 1000);
  document.addEventListener("visibilitychange", () => document.hidden && sendVerdicts(true));
  lookSoon();
}
