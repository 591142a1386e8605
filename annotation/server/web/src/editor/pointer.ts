/** Mouse, pen and touchpad on the planes. */

import { dragged, type HuWindow } from "../display/windows.ts";
import type { PlaneView } from "../display/plane-view.ts";
import { clampVoxel, indexOf, type Triple } from "../geometry/grid.ts";
import type { PlaneName } from "../geometry/planes.ts";
import { growFromSeed, rangeAround } from "../paint/grow.ts";
import { PencilStroke } from "../paint/pencil.ts";
import type { Editor } from "./editor.ts";
import { spoken } from "./scene.ts";
import { nextRadius } from "./state.ts";

const GROW = { reachMm: 60, mostVoxels: 2_000_000 };
const ERASER_BUTTON = 5;
const ZOOM_PER_PIXEL = 0.0025;
const PIXELS_PER_SLICE = 30;

type Gesture =
  | { readonly kind: "stroke"; readonly stroke: PencilStroke }
  | { readonly kind: "pan"; x: number; y: number }
  | { readonly kind: "window"; readonly x: number; readonly y: number; readonly from: HuWindow };

export class PointerTools {
  private readonly editor: Editor;
  private readonly view: PlaneView;
  private readonly plane: PlaneName;
  private gesture: Gesture | null = null;
  private wheelLeft = 0;

  constructor(editor: Editor, view: PlaneView) {
    [this.editor, this.view, this.plane] = [editor, view, view.plane.name];
    const on = view.surface;
    on.addEventListener("pointerdown", (event) => this.down(event));
    on.addEventListener("pointermove", (event) => this.move(event));
    on.addEventListener("pointerup", (event) => this.up(event));
    on.addEventListener("pointercancel", (event) => this.up(event));
    on.addEventListener("pointerleave", () => this.left());
    on.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    on.addEventListener("contextmenu", (event) => event.preventDefault());
    on.addEventListener("auxclick", (event) => event.preventDefault());
  }

  /** The brush as it is set now, where the pointer was last. */
  refresh(): void {
    if (this.editor.picture.brush?.view !== this.view) return;
    this.showBrush(this.editor.picture.brush.brush.x, this.editor.picture.brush.brush.y, false);
  }

  private down(event: PointerEvent): void {
    this.editor.timer.sign();
    event.preventDefault();
    this.view.surface.setPointerCapture(event.pointerId);
    const [x, y] = [event.offsetX, event.offsetY];
    if (event.button === 1 || (event.button === 0 && event.shiftKey)) this.gesture = { kind: "pan", x, y };
    else if (event.altKey) this.pick(x, y);
    else if (event.ctrlKey) this.gesture = { kind: "window", x, y, from: this.editor.state.window };
    else if (event.button === 0 && this.editor.state.tool === "grow") this.grow(x, y);
    else this.beginStroke(event, x, y);
  }

  private beginStroke(event: PointerEvent, x: number, y: number): void {
    const { editor } = this;
    const { scene, state } = editor;
    const isEraser = event.button === 2 || event.button === ERASER_BUTTON || state.tool === "eraser";
    const inTheWay = editor.obstacle;
    if (inTheWay) return editor.say(inTheWay, "warn");
    if (!scene?.active || this.isOutside(this.view.voxelAt(x, y))) return;
    const options = {
      value: scene.active.value, erase: isEraser, radiusMm: state.radiusMm, slices: state.slices, hu: isEraser ? null : state.hu,
    };
    const stroke = new PencilStroke(scene.volume, scene.ct, this.view.plane, options);
    this.gesture = { kind: "stroke", stroke };
    state.notice = null;
    editor.log.begin(this.plane, options, scene.volume.locked);
    this.draw(stroke, x, y, event.timeStamp);
  }

  private draw(stroke: PencilStroke, x: number, y: number, since: number): void {
    const { scene, log } = this.editor;
    if (!scene) return;
    const voxel = clampVoxel(scene.grid.dims, this.view.voxelAt(x, y));
    log.point(scene.grid, scene.ct, voxel);
    const box = stroke.to(voxel);
    if (box) this.editor.picture.redrawBox(box, since);
  }

  private isOutside(voxel: Triple): boolean {
    const dims = this.editor.scene?.grid.dims ?? [0, 0, 0];
    return voxel.some((place, axis) => place < 0 || place >= dims[axis]);
  }

  private move(event: PointerEvent): void {
    const { gesture, editor } = this;
    const [x, y] = [event.offsetX, event.offsetY];
    if (gesture?.kind === "stroke") {
      const steps = event.getCoalescedEvents?.() ?? [];
      for (const step of steps.length > 0 ? steps : [event]) this.draw(gesture.stroke, step.offsetX, step.offsetY, event.timeStamp);
    } else if (gesture?.kind === "pan") {
      this.view.pan(x - gesture.x, y - gesture.y);
      Object.assign(gesture, { x, y });
      editor.picture.redraw();
    } else if (gesture?.kind === "window") {
      editor.setWindow(dragged(gesture.from, x - gesture.x, y - gesture.y));
      editor.changed();
    } else if (event.shiftKey && !this.isOutside(this.view.voxelAt(x, y))) editor.goTo(this.view.voxelAt(x, y));
    this.showBrush(x, y, event.altKey);
  }

  private up(event: PointerEvent): void {
    const { gesture, editor } = this;
    this.gesture = null;
    editor.timer.sign();
    if (this.view.surface.hasPointerCapture(event.pointerId)) this.view.surface.releasePointerCapture(event.pointerId);
    if (gesture?.kind !== "stroke") return;
    editor.log.end();
    const change = gesture.stroke.finish();
    if (change) editor.take(change, "pencil");
  }

  private left(): void {
    if (this.gesture || this.editor.picture.brush?.view !== this.view) return;
    this.editor.picture.brush = null;
    this.editor.state.under = null;
    this.editor.picture.redrawAbove();
    this.editor.changed();
  }

  private pick(x: number, y: number): void {
    const { scene } = this.editor;
    const voxel = this.view.voxelAt(x, y);
    if (!scene || this.isOutside(voxel)) return;
    const entry = scene.withValue(scene.volume.labels[indexOf(scene.grid.dims, voxel)]);
    if (entry) this.editor.activate(entry);
  }

  private grow(x: number, y: number): void {
    const { editor } = this;
    const { scene, state } = editor;
    const voxel = this.view.voxelAt(x, y);
    const inTheWay = editor.obstacle;
    if (inTheWay) return editor.say(inTheWay, "warn");
    if (!scene?.active || this.isOutside(voxel)) return;
    const hu = state.hu ?? rangeAround(scene.ct, scene.grid.dims, voxel);
    const grown = growFromSeed(scene.volume, scene.ct, voxel, { value: scene.active.value, hu, ...GROW });
    if (!editor.take(grown.change, "grow")) return;
    const range = `${hu.lowHu} to ${hu.highHu} HU`;
    if (grown.hitLimit) editor.say(`It grew to the limit (${range}): most likely it leaked. Ctrl Z takes it back; T narrows the range.`, "warn");
    else editor.say(`Grown over ${range}.`, "ok");
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const { editor } = this;
    editor.timer.sign();
    const turn = event.deltaY || event.deltaX;
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? turn * 32 : turn;
    if (event.ctrlKey || event.metaKey) {
      this.view.zoom(Math.exp(-pixels * ZOOM_PER_PIXEL), event.offsetX, event.offsetY);
      editor.picture.redraw();
    } else if (event.shiftKey) {
      editor.state.radiusMm = nextRadius(editor.state.radiusMm, pixels < 0 ? 1 : -1);
      editor.changed();
    } else this.scrollBy(pixels);
    this.showBrush(event.offsetX, event.offsetY, event.altKey);
  }

  /** A notch is one slice; a touchpad's small steps add up to one. */
  private scrollBy(pixels: number): void {
    if (Math.sign(pixels) !== Math.sign(this.wheelLeft)) this.wheelLeft = 0;
    this.wheelLeft += pixels;
    const slices = Math.trunc(this.wheelLeft / PIXELS_PER_SLICE);
    if (slices === 0) return;
    this.wheelLeft = Math.abs(pixels) >= 100 ? 0 : this.wheelLeft - slices * PIXELS_PER_SLICE;
    this.editor.scroll(this.plane, Math.abs(pixels) >= 100 ? -Math.sign(slices) : -slices);
  }

  private showBrush(x: number, y: number, picks: boolean): void {
    const { editor } = this;
    const { scene, state } = editor;
    if (!scene) return;
    const voxel = this.view.voxelAt(x, y);
    const hu = editor.huAt(voxel);
    const under = hu === null ? null : scene.withValue(scene.volume.labels[indexOf(scene.grid.dims, voxel)]);
    state.under = hu === null ? null : { name: under ? spoken(under.name) : "—", hu };
    editor.picture.brush = {
      view: this.view,
      brush: {
        x, y, radiusMm: state.radiusMm, isCross: picks || state.tool === "grow",
        colour: state.tool === "eraser" ? "#e0604c" : (scene.active?.colour ?? "#c9d1d8"), words: this.cursorWords(hu),
      },
    };
    editor.picture.redrawAbove();
    editor.changed();
  }

  private cursorWords(hu: number | null): string {
    const { state } = this.editor;
    const limit = state.hu ? `  ${state.hu.lowHu} to ${state.hu.highHu} HU` : "";
    const tool = state.tool === "grow" ? `grow${limit}` : `${state.radiusMm} mm ×${state.slices}${state.tool === "eraser" ? " erase" : limit}`;
    const under = state.under ? `${state.under.name}  ${hu} HU` : "";
    return `${tool}\n${under}`;
  }
}
