/* From the server: how the structures of a case stand now. The page itself is as old as its pictures. */
const LIVE_LETTERS = { accepted: "a", proposed: "p", corrected: "p", flagged: "f", undecided: "e" };
const ABSENT_LETTERS = { fov: "x", anatomy: "y" };
const SAME = { accept: "a", fix: "f", absent_fov: "x", absent_anatomy: "y" };
const LOOK_AFTER_MS = 200;

/** Ask how a case stands, and show it. What was decided here and not sent yet stays as it is. */
async function lookAgain(one) {
  if (!server.user) return;
  const asked = Date.now();
  try {
    const answer = await fetch(`/api/cases/${encodeURIComponent(one.id)}`, { credentials: "same-origin" });
    if (!answer.ok) return;
    takeLive(one, await answer.json(), asked);
  } catch { return; }
  showAnew(one);
}

function takeLive(one, said, asked) {
  one.live = { asked, states: new Map() };
  one.excluded = Boolean(said.excluded);
  for (const each of said.structures) {
    const place = placeOf.get(each.name);
    const letter = ABSENT_LETTERS[each.absent] || LIVE_LETTERS[each.state];
    if (place === undefined || !letter) continue;
    const mask = maskOf(one, place);
    const isOther = Boolean(each.mask_id) && !(mask && each.mask_id.startsWith(mask.id));
    one.live.states.set(place, { letter, isOther });
    if (mask) mask.state = letter;
  }
}

/** Tell whether the server has spoken since a decision of this page was sent, and says otherwise. */
function isOvertaken(one, place, verdict) {
  if (!one.live || !verdict.sent || (verdict.sentAt || 0) >= one.live.asked) return false;
  if (place === null) return verdict.decision === "exclude_case" && !one.excluded;
  const now = one.live.states.get(place);
  return Boolean(now) && (now.isOther || now.letter !== SAME[verdict.decision]);
}

/** Say how a structure stands on the server where the picture shows another mask; "" where it does not. */
function liveWords(one, place) {
  const now = one.live && one.live.states.get(place);
  return now && now.isOther ? `a newer mask is ${STATES[now.letter]}` : "";
}

/** Draw whatever shows a case again. */
function showAnew(one) {
  activeGrid().renew(state.shown.indexOf(one));
  if (openOne() !== one) return;
  fillTip();
  fillAside();
  drawMarks();
}

/** Look at the case that is open, once the person stays at it. */
function lookSoon() {
  clearTimeout(lookSoon.timer);
  const one = openOne();
  if (one) lookSoon.timer = setTimeout(() => openOne() === one && lookAgain(one), LOOK_AFTER_MS);
}
document.addEventListener("visibilitychange", () => !document.hidden && lookSoon());
window.addEventListener("pageshow", (event) => event.persisted && lookSoon());
