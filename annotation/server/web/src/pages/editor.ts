/** The editor's page: puts the pieces together. */

import "../look/base.css";
import "../look/editor.css";
import { html, nothing, render } from "lit-html";
import { sessionOrLogin, structuresOf, worklist } from "../api/workbench.ts";
import { PLANE_ORDER, PLANES, type PlaneName } from "../geometry/planes.ts";
import { bindingOf, repeats, takesText } from "../keys/keymap.ts";
import { bottomBar, topBar } from "../editor/bars.ts";
import { chooses } from "../editor/choices.ts";
import { Commands } from "../editor/commands.ts";
import { errorWords } from "../look/error-words.ts";
import { Editor } from "../editor/editor.ts";
import { sidePanel } from "../editor/panels.ts";
import { PointerTools } from "../editor/pointer.ts";
import { sideList } from "../editor/side-list.ts";
import { ThreeDTile } from "../editor/three-d.ts";
import { toolPanel, windowWords } from "../editor/tool-panel.ts";

const element = (id: string): HTMLElement => {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
};

const PLANE_WORDS: Record<PlaneName, string> = { axial: "Axial", coronal: "Coronal", sagittal: "Sagittal" };

async function start(): Promise<void> {
  const session = await sessionOrLogin();
  const planes = Object.fromEntries(PLANE_ORDER.map((name) => [name, element(name)])) as Record<PlaneName, HTMLElement>;
  const mirrors = new Map(structuresOf(session).map(({ name, mirror }) => [name, mirror ?? null]));
  let isAsked = false;
  const editor = new Editor(session, planes, () => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      show();
    });
  });
  const commands = new Commands(editor, (name) => mirrors.get(name) ?? null);
  const pointers = PLANE_ORDER.map((name) => new PointerTools(editor, editor.picture.views[name]));
  const threeD = new ThreeDTile(element("tile"), (words) => render(
    words ? html`<span>${words.words}${words.button ? html`<br /><button class="main" @click=${() => editor.scene && void threeD.draw(editor.scene)}>${words.button}</button>` : nothing}</span>` : nothing,
    element("tile-words"),
  ));
  editor.onRest = () => editor.scene && threeD.rest(editor.scene);
  editor.onShownCase = editor.onRest;

  function show(): void {
    render(topBar(editor, commands), element("head"));
    render(sideList(editor), element("side"));
    render(toolPanel(editor, commands), element("tool-list"));
    render(bottomBar(editor), element("foot"));
    render(sidePanel(editor, commands), element("panel"));
    element("panel").classList.toggle("open", editor.state.panel !== null);
    render(editor.state.notice ? html`<span class=${editor.state.notice.kind}>${editor.state.notice.words}</span>` : nothing, element("notice"));
    render(editor.state.loading && editor.scene ? html`opening ${editor.state.loading} …` : nothing, element("loading"));
    showPlanes();
  }

  let mainPlane: PlaneName | null = null;
  function showPlanes(): void {
    for (const name of PLANE_ORDER) {
      const isMain = editor.state.mainPlane === name;
      planes[name].classList.toggle("main", isMain);
      const hud = planes[name].querySelector(".hud.upper") as HTMLElement;
      const axis = PLANES[name].w;
      const at = editor.scene ? `${editor.scene.at[axis] + 1}/${editor.scene.grid.dims[axis]}` : "";
      render(html`${PLANE_WORDS[name]} ${at}${isMain ? `\n${windowWords(editor.state.window)}` : ""}`, hud);
      const under = planes[name].querySelector(".hud.under") as HTMLElement;
      render(isMain && editor.state.under ? `${editor.state.under.name}  ${editor.state.under.hu ?? ""} HU` : nothing, under);
    }
    if (mainPlane !== editor.state.mainPlane) {
      mainPlane = editor.state.mainPlane;
      editor.picture.redraw();
    }
  }

  listenToKeys(editor, commands, () => pointers.forEach((pointer) => pointer.refresh()));
  listenToTheWorld(editor);
  await editor.desk.takeUp().catch((error: unknown) => editor.refused(`what was kept here could not be read: ${String(error)}`));
  await openAsked(editor, show);
  Object.assign(window, { __editor: editor.log.isOn ? editor : undefined });
}

/** In the place of a case: the masks to be drawn once more. */
const BLIND = "#/blind";

/** `#CASE` or `#CASE/STRUCTURE`; without one the first open case. */
async function openAsked(editor: Editor, show: () => void): Promise<void> {
  const open = async (): Promise<void> => {
    if (location.hash === BLIND) return editor.openBlind();
    const [id, structure] = location.hash.slice(1).split("/").map(decodeURIComponent);
    if (id && id !== editor.scene?.info.id) await editor.openCase(id, structure || null);
    else if (structure && structure !== editor.scene?.active?.name) editor.activate(editor.scene?.named(structure) ?? null, true);
  };
  window.addEventListener("hashchange", () => void open());
  if (location.hash.length > 1) return open();
  const { cases } = await worklist("?open=true");
  if (cases.length > 0) return editor.openCase(cases[0].id);
  editor.say("No case is open. `make intake FROM=/data/cts` takes CTs in; `make bootstrap` makes first masks.", "warn");
  show();
}

function listenToKeys(editor: Editor, commands: Commands, refresh: () => void): void {
  window.addEventListener("keydown", (event) => {
    if (takesText(document.activeElement as HTMLElement | null)) return;
    if (chooses(event, editor, commands)) return event.preventDefault();
    const binding = bindingOf(event);
    // A button that the keyboard went to keeps its own keys; one that was clicked lets go at once.
    const isOnButton = ["BUTTON", "A"].includes(document.activeElement?.tagName ?? "");
    if (!binding || (isOnButton && ["Enter", "Space"].includes(event.code))) return;
    event.preventDefault();
    if (binding.command === "find") document.getElementById("find")?.focus();
    else if (!event.repeat || repeats(binding.command)) commands.run(binding.command);
    refresh();
  });
  window.addEventListener("click", (event) => {
    const focused = document.activeElement;
    if (event.detail > 0 && focused instanceof HTMLButtonElement) focused.blur();
  });
  window.addEventListener("keyup", (event) => {
    if (event.code === "Space" && editor.state.hidden) commands.run("show");
  });
  window.addEventListener("blur", () => editor.state.hidden && commands.run("show"));
}

function listenToTheWorld(editor: Editor): void {
  window.addEventListener("online", () => void editor.desk.outbox.retry());
  window.addEventListener("focus", () => void editor.desk.outbox.retry());
  window.addEventListener("pagehide", () => editor.scene && editor.desk.letGo(editor.scene));
  window.addEventListener("resize", () => editor.picture.redraw());
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") editor.timer.pause();
    else void editor.desk.outbox.retry();
  });
  setInterval(() => editor.changed(), 1000);
}

void start().catch((error: unknown) => {
  element("notice").textContent = errorWords(error);
});
