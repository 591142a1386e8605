/* Above the picture: the contact sheet of a case, or one structure close up. */
const plate = byId("plate");
const platePicture = byId("plate-picture");
let plateOf = "";

function closePlate() {
  plateOf = "";
  plate.hidden = true;
  platePicture.removeAttribute("src");
  showPlateButtons();
}

function showPlateButtons() {
  const one = openOne();
  byId("sheet").hidden = !one || !one.sheet;
  byId("large").hidden = !one || !server.user;
  byId("sheet").setAttribute("aria-pressed", String(plateOf === "sheet"));
  byId("large").setAttribute("aria-pressed", String(plateOf === "large"));
}

function openPlate(kind, source, words, waiting) {
  plateOf = kind;
  plate.hidden = false;
  plate.classList.remove("whole");
  platePicture.hidden = true;
  platePicture.alt = words;
  platePicture.src = source;
  byId("plate-words").textContent = waiting;
  byId("plate-words").className = "dim";
  byId("plate-words").hidden = false;
  plate.scrollTo(0, 0);
  byId("tip").hidden = true;
  showPlateButtons();
}

platePicture.addEventListener("load", () => {
  platePicture.hidden = false;
  byId("plate-words").hidden = true;
});
platePicture.addEventListener("error", async () => {
  const asked = platePicture.getAttribute("src");
  if (!asked) return;
  const said = plateOf === "large" ? await whyNot(asked) : "The file cannot be read: run masksmith gallery";
  if (platePicture.getAttribute("src") !== asked) return;
  byId("plate-words").textContent = said;
  byId("plate-words").className = "warn";
});
platePicture.addEventListener("click", () => plate.classList.toggle("whole"));

async function whyNot(source) {
  try {
    const answer = await fetch(source, { credentials: "same-origin" });
    const said = answer.ok ? {} : await answer.json();
    return [said.error, said.what_to_do].filter(Boolean).join(": ") || `the server says ${answer.status}`;
  } catch (error) {
    return `The server cannot be reached (${error.message || error})`;
  }
}

function toggleSheet() {
  const one = openOne();
  if (!one || plateOf === "sheet") { closePlate(); return; }
  if (!one.sheet) { tell("No contact sheet: nothing was found in this case, or the gallery was not drawn since"); return; }
  openPlate("sheet", fileOf(one, "sheets", "png", one.sheet), `Contact sheet of ${one.id}`, "loading");
}

/** Show the structure under the pointer, else the chosen one, from four sides; the server draws it. */
function toggleLarge() {
  const one = openOne();
  if (!one || plateOf === "large") { closePlate(); return; }
  if (!server.user) { tell("Close-ups are drawn on demand when the gallery is opened from the workbench: masksmith serve"); return; }
  const place = target();
  if (place === null) { tell("Point at a structure first, or choose one in the list"); return; }
  const name = data.structures[place];
  const source = `closeups/${encodeURIComponent(one.id)}/${encodeURIComponent(name)}.png?v=${Date.now()}`;
  openPlate("large", source, `${plainName(place)} of ${one.id}, close up`, `drawing ${plainName(place)}`);
}
