/** The picture of the case on the screen: three planes, drawn at most once a frame. */

import { type Brush, PlaneView, type Shown } from "../display/plane-view.ts";
import { type Drawing, paletteOf } from "../display/slice.ts";
import { greyTable, type HuWindow } from "../display/windows.ts";
import { type Box, boxUnion } from "../geometry/grid.ts";
import { PLANE_ORDER, PLANES, type PlaneName } from "../geometry/planes.ts";
import type { Scene } from "./scene.ts";
import type { EditorState } from "./state.ts";

/** What is drawn, and who hears how long a stroke took to be seen. */
export interface Pictured {
  readonly scene: Scene | null;
  readonly state: EditorState;
  readonly log: { drawn(ms: number): void };
}

export class Picture {
  readonly views: Record<PlaneName, PlaneView>;
  brush: { view: PlaneView; brush: Brush } | null = null;
  private readonly of: Pictured;
  private readonly grey: Uint8Array;
  private palette: Uint8Array = new Uint8Array(65536 * 3);
  private frame = 0;
  private changedSince = Infinity;
  private wantsAll = false;
  private changedBox: Box | null = null;

  constructor(of: Pictured, elements: Record<PlaneName, HTMLElement>) {
    this.of = of;
    this.grey = greyTable(of.state.window);
    this.views = Object.fromEntries(
      PLANE_ORDER.map((name) => [name, new PlaneView(PLANES[name], elements[name])]),
    ) as Record<PlaneName, PlaneView>;
  }

  /** Another case came. */
  begin(scene: Scene): void {
    this.palette = paletteOf(scene.entries);
    for (const view of Object.values(this.views)) view.resetLook();
    this.redraw();
  }

  setWindow(window: HuWindow): void {
    greyTable(window, this.grey);
    this.redraw();
  }

  redraw(): void {
    this.wantsAll = true;
    this.ask();
  }

  /** `since`: the moment of the event that changed it. */
  redrawBox(box: Box | null, since = performance.now()): void {
    this.changedBox = boxUnion(this.changedBox, box);
    this.changedSince = Math.min(this.changedSince, since);
    this.ask();
  }

  /** Crosshair, brush, and planes that are not where the crosshair is. */
  redrawAbove(): void {
    this.ask();
  }

  private ask(): void {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => this.paint());
  }

  private get drawing(): Drawing {
    const { scene, state } = this.of;
    const { opacity, outlineOnly, hidden } = state;
    return { grey: this.grey, palette: this.palette, active: scene?.active?.value ?? 0, opacity, outlineOnly, hidden };
  }

  private paint(): void {
    this.frame = 0;
    const { scene, log } = this.of;
    if (!scene) return;
    const shown: Shown = { dims: scene.grid.dims, spacingMm: scene.grid.spacingMm, ct: scene.ct, labels: scene.volume.labels, at: scene.at, drawing: this.drawing };
    const box = this.changedBox;
    for (const view of Object.values(this.views)) {
      if (this.wantsAll || view.isBehind(scene.at)) view.draw(shown);
      else if (box) view.draw(shown, box);
      view.drawAbove(this.brush?.view === view ? this.brush.brush : null);
    }
    if (box && !this.wantsAll) log.drawn(performance.now() - this.changedSince);
    this.changedSince = Infinity;
    this.wantsAll = false;
    this.changedBox = null;
  }
}
