/** What each key and button does. */

import { maskCrop, revisionsOf } from "../api/workbench.ts";
import { clampVoxel, type Triple, voxelOfWorld, wholeBox } from "../geometry/grid.ts";
import { PLANE_ORDER, PLANES } from "../geometry/planes.ts";
import type { Command } from "../keys/keymap.ts";
import { fillBetween } from "../paint/fill-between.ts";
import { fillOutline, slicesAround } from "../paint/fill-outline.ts";
import { rangeAround } from "../paint/grow.ts";
import type { Change } from "../paint/recorder.ts";
import { errorWords } from "../look/error-words.ts";
import { bodyMiddle, keepLargest, mirrored, replaceWith, smooth } from "../paint/whole-structure.ts";
import type { Decision } from "../saving/outbox-item.ts";
import { whyNot } from "./allowed.ts";
import type { Editor } from "./editor.ts";
import { isOtherInForce } from "./look-again.ts";
import { SENDING_MS } from "./saving-desk.ts";
import { type Entry, spoken } from "./scene.ts";
import { nextRadius, type Panel, type Tool } from "./state.ts";

/** What is not sent by then waits in the browser. */
const LEAVING_MS = 1500;

export type MirrorOf = (structure: string) => string | null;

export class Commands {
  private readonly editor: Editor;
  private readonly mirrorOf: MirrorOf;
  private findingAt = -1;

  constructor(editor: Editor, mirrorOf: MirrorOf) {
    this.editor = editor;
    this.mirrorOf = mirrorOf;
  }

  run(command: Command): void {
    this.editor.timer.sign();
    const refusal = this.editor.scene && whyNot(command, this.editor.scene.info);
    if (refusal) this.editor.say(refusal, "warn");
    else this.simple[command]?.();
    this.editor.changed();
  }

  private readonly simple: Partial<Record<Command, () => void>> = {
    "slice-up": () => this.scroll(1),
    "slice-down": () => this.scroll(-1),
    "slice-up-10": () => this.scroll(10),
    "slice-down-10": () => this.scroll(-10),
    accept: () => this.accept(),
    flag: () => this.panel("flag"),
    absent: () => this.panel("absent"),
    "cant-tell": () => this.panel("cant-tell"),
    help: () => this.panel("keys"),
    copy: () => void this.offerCopies(),
    cancel: () => this.cancel(),
    "previous-structure": () => this.editor.step(-1),
    "next-structure": () => this.editor.step(1),
    "next-case": () => this.editor.nextCase(),
    "previous-case": () => this.editor.previousCase(),
    worklist: () => void this.toWorklist(),
    undo: () => this.editor.undo(),
    redo: () => this.editor.redo(),
    smaller: () => this.set({ radiusMm: nextRadius(this.state.radiusMm, -1) }),
    larger: () => this.set({ radiusMm: nextRadius(this.state.radiusMm, 1) }),
    hide: () => this.look({ hidden: true }),
    show: () => this.look({ hidden: false }),
    outline: () => this.look({ outlineOnly: !this.state.outlineOnly }),
    "more-opaque": () => this.look({ opacity: Math.min(1, Math.round((this.state.opacity + 0.1) * 100) / 100) }),
    "less-opaque": () => this.look({ opacity: Math.max(0.05, Math.round((this.state.opacity - 0.1) * 100) / 100) }),
    pencil: () => this.tool("pencil"),
    eraser: () => this.tool("eraser"),
    grow: () => this.tool(this.state.tool === "grow" ? "pencil" : "grow"),
    "fill-between": () => this.fillBetween(),
    "fill-outline": () => this.fillOutline(),
    largest: () => this.wholeStructure("largest piece", keepLargest),
    smooth: () => this.smooth(),
    "hu-limit": () => this.huLimit(),
    "slices-1": () => this.digit(1),
    "slices-3": () => this.digit(3),
    "slices-5": () => this.digit(5),
    "own-window": () => this.ownWindow(),
    "window-1": () => this.preset(0),
    "window-2": () => this.preset(1),
    "window-3": () => this.preset(2),
    "window-4": () => this.preset(3),
    lock: () => this.lock(),
    centre: () => this.centre(),
    "main-plane": () => this.changePlane(),
    "next-finding": () => this.nextFinding(),
  };

  private get state() {
    return this.editor.state;
  }

  private get active(): Entry | null {
    return this.editor.scene?.active ?? null;
  }

  private set(part: Partial<Editor["state"]>): void {
    Object.assign(this.state, part);
  }

  private look(part: Partial<Editor["state"]>): void {
    this.set(part);
    this.editor.picture.redraw();
  }

  private tool(tool: Tool): void {
    this.set({ tool });
    if (tool === "grow") this.editor.say("Click the seed. T limits the density first, if you like.", "ok");
    else this.state.notice = null;
  }

  private panel(kind: "keys" | "flag" | "absent" | "cant-tell"): void {
    if (kind !== "keys" && !this.active) return this.editor.say("Choose a structure first.", "warn");
    this.set({ panel: this.state.panel?.kind === kind ? null : { kind } });
  }

  private cancel(): void {
    this.set({ panel: null, notice: null, find: "" });
    if (this.state.tool === "grow") this.set({ tool: "pencil" });
  }

  private digit(slices: 1 | 3 | 5): void {
    this.set({ slices });
  }

  private scroll(slices: number): void {
    const under = this.editor.picture.brush?.view.plane.name ?? this.state.mainPlane;
    this.editor.scroll(under, slices);
  }

  private async toWorklist(): Promise<void> {
    this.editor.leaveCase();
    await this.editor.desk.outbox.untilSent(LEAVING_MS);
    location.assign("./index.html");
  }

  // ---- judging

  accept(): void {
    const entry = this.active;
    if (!entry || !this.editor.scene) return;
    if (this.editor.scene.info.blind) return this.editor.finishBlind();
    if (entry.voxels === 0) {
      return this.editor.say(`${spoken(entry.name)} has no mask yet. Draw it, or press A if it is not there.`, "warn");
    }
    this.acceptNow(entry);
    this.editor.changes.push({ undo: () => this.takeBack(entry), redo: () => this.acceptNow(entry) });
    this.editor.nextToCheck();
  }

  private acceptNow(entry: Entry): void {
    this.judge(entry, "accept", "");
    entry.state = "accepted";
    this.editor.scene?.setLocked(entry, true);
  }

  /** The verdict stays in the history; the one that follows sends the same mask back. */
  private takeBack(entry: Entry): void {
    this.judge(entry, "fix", "acceptance taken back");
    entry.state = "flagged";
    this.editor.scene?.setLocked(entry, false);
    this.editor.activate(entry, true);
    this.editor.say(`${spoken(entry.name)} is not accepted any more; its mask is as it was.`, "ok");
    void this.warnOfOlder(entry).catch(() => undefined); // without a network nothing is known yet
  }

  /** A mask that was accepted before this one is in force again, and not on the screen. */
  private async warnOfOlder(entry: Entry): Promise<void> {
    const { scene, desk } = this.editor;
    if (!scene) return;
    await desk.outbox.untilSent(SENDING_MS, scene.targetOf(entry));
    if (!(await isOtherInForce(scene, entry)) || entry !== this.active || entry.state === "accepted") return;
    this.editor.say(`The ${spoken(entry.name)} accepted before counts again, not the one you see. Enter accepts this one; R brings the other.`, "warn");
  }

  flag(reason: string): void {
    const entry = this.active;
    if (!entry) return;
    this.judge(entry, "fix", reason);
    entry.state = "flagged";
    this.set({ panel: null });
    this.editor.nextToCheck();
  }

  absent(how: "absent_fov" | "absent_anatomy"): void {
    const entry = this.active;
    if (!entry) return;
    this.judge(entry, how, "");
    entry.state = how;
    this.set({ panel: null });
    this.editor.nextToCheck();
  }

  cantTell(reason: string): void {
    if (!this.active) return;
    this.judge(this.active, "exclude_case", reason || "cannot tell");
    this.set({ panel: null });
    this.editor.nextCase();
  }

  private judge(entry: Entry, decision: Decision, reason: string): void {
    const { scene, desk } = this.editor;
    this.editor.settleTime();
    if (scene) desk.decide(scene, entry, decision, reason);
  }

  private lock(): void {
    const entry = this.active;
    if (!entry || !this.editor.scene) return;
    this.editor.scene.setLocked(entry, !entry.locked);
    this.editor.say(`${spoken(entry.name)} is ${entry.locked ? "locked" : "unlocked"}.`, "ok");
  }

  // ---- tools of the whole structure

  /** Run a tool on the active structure, unless something is in the way. */
  private wholeStructure(what: string, tool: (volume: NonNullable<Editor["scene"]>["volume"], value: number) => Change | null): void {
    const { scene, obstacle } = this.editor;
    if (obstacle) return this.editor.say(obstacle, "warn");
    if (scene?.active && this.editor.take(tool(scene.volume, scene.active.value), what)) scene.recount(scene.active);
  }

  private fillBetween(): void {
    const plane = PLANES[this.editor.picture.brush?.view.plane.name ?? this.state.mainPlane];
    this.wholeStructure("fill between slices", (volume, value) => fillBetween(volume, plane, value, wholeBox(volume.dims)));
  }

  private fillOutline(): void {
    const plane = PLANES[this.editor.picture.brush?.view.plane.name ?? this.state.mainPlane];
    this.wholeStructure("fill the outline", (volume, value) => {
      const slice = this.editor.scene?.at[plane.w] ?? 0;
      return fillOutline(volume, plane, slicesAround(slice, this.state.slices, volume.dims[plane.w]), value);
    });
  }

  private smooth(): void {
    this.wholeStructure("smooth", (volume, value) => smooth(volume, value, Math.max(...volume.spacingMm)));
  }

  private async offerCopies(): Promise<void> {
    const { scene } = this.editor;
    const entry = this.active;
    if (!scene || !entry) return;
    const panel: Panel = { kind: "copy", revisions: null, mirror: this.mirrorOf(entry.name) };
    this.set({ panel });
    this.editor.changed();
    try {
      const revisions = await revisionsOf(scene.info.id, entry.name);
      if (this.state.panel === panel) this.set({ panel: { ...panel, revisions } });
    } catch (error) {
      this.editor.say(`revisions: ${errorWords(error)}`, "error");
    }
    this.editor.changed();
  }

  async copyRevision(revision: string): Promise<void> {
    const { scene } = this.editor;
    const entry = this.active;
    if (!scene || !entry) return;
    this.set({ panel: null });
    this.editor.changed();
    try {
      const crop = await maskCrop(scene.info.id, entry.name, { revision });
      if (this.active !== entry) return this.editor.say(`${spoken(entry.name)} was left before the copy came: nothing changed.`, "warn");
      if (crop) this.wholeStructure("copy", (volume, value) => replaceWith(volume, value, crop.box, crop.mask));
    } catch (error) {
      this.editor.say(`copy: ${errorWords(error)}`, "error");
    }
  }

  copyMirror(): void {
    const { scene } = this.editor;
    const other = this.active && scene?.named(this.mirrorOf(this.active.name) ?? "");
    if (!scene || !other) return;
    const box = scene.volume.boxOf(other.value, wholeBox(scene.grid.dims));
    if (!box) return this.editor.say(`${spoken(other.name)} has no mask to mirror.`, "warn");
    const middle = bodyMiddle(scene.ct, scene.grid.dims, box);
    const turned = mirrored(scene.grid.dims, box, scene.volume.maskIn(other.value, box), middle);
    this.wholeStructure("mirror", (volume, value) => replaceWith(volume, value, turned.box, turned.mask));
    this.set({ panel: null });
  }

  // ---- looking

  private huLimit(): void {
    const { scene, picture: { brush } } = this.editor;
    if (this.state.hu) return this.set({ hu: null });
    if (!scene || !brush) return this.editor.say("Point at what the pencil shall draw on, then press T.", "warn");
    const at = clampVoxel(scene.grid.dims, brush.view.voxelAt(brush.brush.x, brush.brush.y));
    this.set({ hu: rangeAround(scene.ct, scene.grid.dims, at, 3) });
  }

  private preset(at: number): void {
    const preset = this.editor.presets[at];
    if (preset) this.editor.setWindow(preset);
    else this.editor.say(`No window is set for F${at + 1}: configs/annotation.yaml names ${this.editor.presets.length}.`, "warn");
  }

  private ownWindow(): void {
    const own = this.active?.window;
    if (own) this.editor.setWindow({ name: own.name, lowHu: own.low_hu, highHu: own.high_hu });
  }

  private centre(): void {
    this.editor.centre();
    if (this.editor.scene) for (const view of Object.values(this.editor.picture.views)) view.centreOn(this.editor.scene.at);
    this.editor.picture.redraw();
  }

  private changePlane(): void {
    const at = PLANE_ORDER.indexOf(this.state.mainPlane);
    this.set({ mainPlane: PLANE_ORDER[(at + 1) % PLANE_ORDER.length] });
    requestAnimationFrame(() => this.editor.picture.redraw());
  }

  private nextFinding(): void {
    const { scene } = this.editor;
    const places = (scene?.entries ?? []).flatMap((entry) =>
      entry.findings.filter(({ place_mm }) => place_mm).map((finding) => ({ entry, finding })));
    if (!scene || places.length === 0) return this.editor.say("No finding here names a place.", "warn");
    this.findingAt = (this.findingAt + 1) % places.length;
    const { entry, finding } = places[this.findingAt];
    this.editor.activate(entry);
    this.editor.goTo(voxelOfWorld(scene.grid, finding.place_mm as Triple));
    this.editor.say(`${spoken(entry.name)}: ${finding.words}`, "warn");
  }
}
