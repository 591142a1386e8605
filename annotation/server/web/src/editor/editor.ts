/** The editor: one case on the screen, the tools on it, and what is saved of it. */

import { ActivityTimer } from "../activity/timer.ts";
import { type BlindTask, blindTask } from "../api/blind.ts";
import { isReviewer, type Session } from "../api/workbench.ts";
import { type HuWindow, presetsOf } from "../display/windows.ts";
import { clampVoxel, indexOf, type Triple } from "../geometry/grid.ts";
import { PLANES, type PlaneName } from "../geometry/planes.ts";
import { errorWords } from "../look/error-words.ts";
import { History, isDeed } from "../paint/history.ts";
import type { Change } from "../paint/recorder.ts";
import type { Conflict, SaveState } from "../saving/outbox.ts";
import type { Target } from "../saving/outbox-item.ts";
import { whyNot } from "./allowed.ts";
import { CaseLoader } from "./case-loader.ts";
import { lookAgain } from "./look-again.ts";
import { Picture } from "./picture.ts";
import { type Entry, Scene, shelfOf, spoken } from "./scene.ts";
import { type DeskListener, SavingDesk } from "./saving-desk.ts";
import { type EditorState, initialState, panelAfter } from "./state.ts";
import { StrokeLog } from "./stroke-log.ts";

export class Editor implements DeskListener {
  readonly presets: readonly HuWindow[];
  readonly state: EditorState;
  readonly changes = new History();
  readonly timer = new ActivityTimer();
  readonly desk: SavingDesk;
  readonly loader: CaseLoader;
  readonly log = new StrokeLog();
  /** Whether this person may draw on where somebody else does. */
  readonly mayTakeOver: boolean;
  readonly picture: Picture;
  scene: Scene | null = null;
  blind: BlindTask | null = null;
  /** Called after voxels changed and the hand rests. */
  onRest: () => void = () => undefined;
  onShownCase: () => void = () => undefined;
  private readonly visited: string[] = [];
  private readonly render: () => void;

  constructor(session: Session, elements: Record<PlaneName, HTMLElement>, render: () => void) {
    this.render = render;
    this.mayTakeOver = isReviewer(session);
    this.presets = presetsOf(session.windows);
    this.state = initialState(this.presets[0]);
    this.loader = new CaseLoader(render);
    this.desk = new SavingDesk(session, this);
    this.picture = new Picture(this, elements);
  }

  // ---- cases

  /** Show a case; the old one stays on the screen until the new one is here. Of two asked for, the later one counts. */
  async openCase(id: string, structure: string | null = null, blind?: BlindTask): Promise<void> {
    this.state.loading = id;
    this.render();
    try {
      const scene = new Scene(await this.loader.open(id, blind));
      if (this.state.loading !== id) return;
      this.leaveCase();
      this.show(scene);
      const wanted = structure ? scene.named(structure) : null;
      this.activate(wanted ?? scene.toCheck[0] ?? scene.entries[0] ?? null, true);
      await this.desk.resume(scene);
    } catch (error) {
      if (this.state.loading === id) this.say(`${id}: ${errorWords(error)}`, "error");
    } finally {
      if (this.state.loading === id) this.state.loading = null;
      this.render();
    }
  }

  private show(scene: Scene): void {
    this.scene = scene;
    this.changes.clear();
    if (!scene.info.blind && this.visited.at(-1) !== scene.info.id) this.visited.push(scene.info.id);
    this.picture.begin(scene);
    this.onShownCase();
  }

  /** The next mask to draw once more without the first answer in sight; back to the worklist where none is left. */
  async openBlind(): Promise<void> {
    try {
      this.blind = await blindTask();
      if (this.blind) await this.openCase(this.blind.case, this.blind.structure, this.blind);
      else location.assign("./index.html");
    } catch (error) {
      this.say(errorWords(error), "error");
    }
  }

  finishBlind(): void {
    const entry = this.scene?.active;
    const { obstacle } = this;
    if (obstacle) return this.say(obstacle, "warn");
    if (!this.scene || !entry) return;
    this.settleTime();
    this.desk.finishBlind(this.scene, entry);
    this.scene.setLocked(entry, true);
    this.say("Done. The next one comes as soon as this one is saved.", "ok");
  }

  /** What was drawn becomes revisions; nothing to press. A blind drawing that is not done stays a draft. */
  leaveCase(): void {
    const { scene } = this;
    if (!scene) return;
    this.settleTime();
    const drawn = scene.info.blind ? [] : scene.entries.filter((entry) => entry.strokes > 0);
    drawn.forEach((entry) => this.desk.commit(scene, entry));
    if (drawn.length > 0) this.loader.forget(scene.info.id);
    this.desk.leave();
  }

  /** Time of work goes to the structure it was spent on. */
  settleTime(): void {
    const seconds = this.timer.take();
    if (this.scene?.active) this.scene.active.seconds += seconds;
  }

  nextCase(): void {
    const next = this.scene?.info.next_case;
    if (next) void this.openCase(next);
    else this.say("This was the last case that is open. The worklist has the rest.", "ok");
  }

  previousCase(): void {
    this.visited.pop();
    const before = this.visited.pop();
    if (before) void this.openCase(before);
    else this.say("No case was open before this one.", "warn");
  }

  // ---- structures

  /** Make a structure the one that the tools draw. */
  activate(entry: Entry | null, centre = false): void {
    const { scene } = this;
    if (!scene || !entry) return;
    if (entry !== scene.active) {
      this.settleTime();
      this.state.panel = panelAfter(this.state.panel);
    }
    scene.active = entry;
    if (entry.window) this.setWindow({ name: entry.window.name, lowHu: entry.window.low_hu, highHu: entry.window.high_hu });
    if (centre) this.centre();
    if (!scene.info.blind) history.replaceState(null, "", `#${encodeURIComponent(scene.info.id)}/${encodeURIComponent(entry.name)}`);
    this.picture.redraw();
    this.render();
    void this.desk.open(scene, entry).then(() => {
      if (entry.takenBy) this.sayTaken(entry, entry.takenBy);
      this.picture.redraw();
      this.render();
    }).catch((error: unknown) => this.say(String(error), "error")).finally(() => scene === this.scene && this.loader.prefetch(scene.info.next_case));
  }

  private sayTaken(entry: Entry, by: string): void {
    this.say(`${by} is drawing ${spoken(entry.name)}; you can look at it.`, "warn");
    if (this.mayTakeOver && entry === this.scene?.active) this.state.panel ??= { kind: "taken", by };
  }

  /** Draw on the active structure from now on instead of whoever does. */
  async takeOver(): Promise<void> {
    const entry = this.scene?.active;
    if (!this.scene || !entry) return;
    await this.desk.open(this.scene, entry, true);
    if (entry.isOpen) this.say(`You are drawing ${spoken(entry.name)} now. What was drawn before stays a draft of its own.`, "ok");
    this.maskChanged();
  }

  step(direction: 1 | -1): void {
    const order = this.scene?.inOrder().filter((entry) => shelfOf(entry) !== "not in image") ?? [];
    const at = order.findIndex((entry) => entry === this.scene?.active);
    if (order.length > 0) this.activate(order[(at + direction + order.length) % order.length], true);
  }

  nextToCheck(): void {
    const { scene } = this;
    if (!scene) return;
    const at = scene.active ? scene.entries.indexOf(scene.active) : -1;
    const rest = [...scene.entries.slice(at + 1), ...scene.entries.slice(0, at + 1)];
    const next = rest.find((entry) => shelfOf(entry) === "to check" && entry !== scene.active);
    if (next) this.activate(next, true);
    else this.say("Nothing is left to check here. N opens the next case.", "ok");
  }

  /** Why the active structure cannot be drawn now, or null. */
  get obstacle(): string | null {
    const entry = this.scene?.active;
    if (!this.scene || !entry) return "Choose a structure first.";
    const readOnly = whyNot("undo", this.scene.info);
    if (readOnly) return readOnly;
    if (entry.takenBy) return `${entry.takenBy} is drawing ${spoken(entry.name)} now.`;
    if (entry.locked && this.scene.info.blind) return "This one is done; the next one comes as soon as it is saved.";
    if (entry.locked) return `${spoken(entry.name)} is locked. L unlocks it.`;
    return entry.isOpen ? null : "One moment: the draft is being fetched.";
  }

  // ---- changes

  /** Take a tool's change in: undo, counts, saving, the picture. */
  take(change: Change | null, what: string): boolean {
    const { scene } = this;
    if (!scene) return false;
    if (!change) {
      this.say(`${what}: nothing to change.`, "warn");
      return false;
    }
    this.changes.push(change);
    scene.count(change);
    this.afterChange(change);
    return true;
  }

  afterChange(change: Change): void {
    if (!this.scene) return;
    this.settleTime();
    this.desk.keep(this.scene, change);
    this.picture.redrawBox(change.box);
    this.onRest();
    this.render();
  }

  undo(): void {
    this.replay("undo");
  }

  redo(): void {
    this.replay("redo");
  }

  private replay(way: "undo" | "redo"): void {
    const { scene } = this;
    const step = scene && this.changes[way](scene.volume);
    if (!scene || !step) return this.say(`Nothing to ${way}.`, "warn");
    if (isDeed(step)) return;
    this.log[way]();
    if (way === "undo") scene.countBack(step);
    else scene.count(step);
    this.afterChange(step);
  }

  // ---- looking

  setWindow(window: HuWindow): void {
    this.state.window = window;
    this.picture.setWindow(window);
  }

  goTo(voxel: Triple): void {
    if (!this.scene) return;
    const inside = clampVoxel(this.scene.grid.dims, voxel);
    inside.forEach((place, axis) => (this.scene!.at[axis] = place));
    this.picture.redrawAbove();
    this.render();
  }

  scroll(plane: PlaneName, slices: number): void {
    if (!this.scene) return;
    const voxel: Triple = [...this.scene.at];
    voxel[PLANES[plane].w] += slices;
    this.goTo(voxel);
  }

  centre(): void {
    const entry = this.scene?.active;
    const box = entry?.box;
    if (!this.scene || !box) return;
    this.goTo([0, 1, 2].map((axis) => (box[axis] + box[axis + 3] - 1) >> 1) as Triple);
  }

  huAt(voxel: Triple): number | null {
    const dims = this.scene?.grid.dims;
    if (!this.scene || !dims || voxel.some((place, axis) => place < 0 || place >= dims[axis])) return null;
    return this.scene.ct[indexOf(dims, voxel)];
  }

  // ---- what the desk says

  saveChanged(state: SaveState): void {
    this.state.save = state;
    this.render();
  }

  conflict(conflict: Conflict): void {
    this.state.panel = { kind: "conflict", conflict };
    this.render();
  }

  taken(target: Target, by: string): void {
    const entry = this.scene?.entryOf(target);
    if (!entry) return;
    entry.takenBy = by;
    entry.isOpen = false;
    this.scene?.setLocked(entry, true);
    this.say(`${by} is drawing ${spoken(entry.name)}: it is locked here, and what you changed of it is kept beside.`, "warn");
  }

  lookAgain(target: Target): void {
    const { scene } = this;
    const entry = scene?.entryOf(target);
    if (!scene || !entry) return;
    void lookAgain(scene, entry)
      .then(() => (entry === scene.active ? this.activate(entry) : this.render()))
      .catch((error: unknown) => this.say(String(error), "error"));
  }

  idleSeconds(): number {
    return this.timer.idleSeconds;
  }

  refused(words: string): void {
    const done = this.scene?.info.blind ? this.scene.active : null;
    if (done) this.scene?.setLocked(done, false);
    this.say(words, "error");
  }

  maskChanged(): void {
    this.picture.redraw();
    this.onRest();
    this.render();
  }

  committed(target: Target, mask: string | null): void {
    const entry = this.scene?.entryOf(target);
    if (!entry || !mask) return;
    if (target.blind) return void this.openBlind();
    entry.maskId = mask;
    this.render();
  }

  say(words: string, kind: "ok" | "warn" | "error"): void {
    this.state.notice = { words, kind };
    this.render();
  }

  changed(): void {
    this.render();
  }
}
