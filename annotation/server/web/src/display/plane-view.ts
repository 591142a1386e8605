/** One plane on the screen: the slice on one canvas, crosshair and brush on another above it. */

import type { Box, Triple } from "../geometry/grid.ts";
import { type Look, type Placement, type Plane, placementOf, pointOf, voxelUnder, zoomedAbout } from "../geometry/planes.ts";
import { drawSlice, type Drawing, type Rect, rectOfBox, sliceRect, type Volume } from "./slice.ts";

export interface Shown extends Volume {
  readonly spacingMm: Triple;
  readonly at: Triple;
  readonly drawing: Drawing;
}

export interface Brush {
  readonly x: number;
  readonly y: number;
  readonly radiusMm: number;
  readonly colour: string;
  readonly words: string;
  readonly isCross: boolean;
}

const CROSS_COLOUR = "rgba(76, 194, 214, .5)";
const GAP_PX = 14;

export class PlaneView {
  readonly plane: Plane;
  readonly element: HTMLElement;
  look: Look = { zoom: 1, panMm: [0, 0] };
  private readonly picture: HTMLCanvasElement;
  private readonly above: HTMLCanvasElement;
  private readonly slice = new OffscreenCanvas(1, 1);
  private pixels: ImageData | null = null;
  private shown: Shown | null = null;
  private drawnSlice = -1;

  constructor(plane: Plane, element: HTMLElement) {
    this.plane = plane;
    this.element = element;
    this.picture = element.appendChild(document.createElement("canvas"));
    this.above = element.appendChild(document.createElement("canvas"));
    this.above.className = "above";
    for (const canvas of [this.picture, this.above]) canvas.setAttribute("aria-hidden", "true");
  }

  /** The canvas that hears the pointer. */
  get surface(): HTMLCanvasElement {
    return this.above;
  }

  get placed(): Placement {
    const { width, height } = this.size;
    const shape = this.shown ?? { dims: [1, 1, 1] as Triple, spacingMm: [1, 1, 1] as Triple };
    return placementOf(this.plane, shape, this.look, width, height);
  }

  private get size(): { width: number; height: number } {
    return { width: this.element.clientWidth || 1, height: this.element.clientHeight || 1 };
  }

  /** Draw the whole slice, or only where a box changed. */
  draw(shown: Shown, changed: Box | null = null): void {
    this.shown = shown;
    const rect = changed
      ? rectOfBox(this.plane, shown.dims, changed, shown.at[this.plane.w])
      : sliceRect(this.plane, shown.dims);
    if (!rect) return;
    this.drawnSlice = shown.at[this.plane.w];
    this.fillPixels(shown, rect);
    this.putOnScreen(changed ? rect : null);
  }

  /** Whether another slice is on the screen than the one looked at. */
  isBehind(at: Triple): boolean {
    return at[this.plane.w] !== this.drawnSlice;
  }

  private fillPixels(shown: Shown, rect: Rect): void {
    const [width, height] = [shown.dims[this.plane.u], shown.dims[this.plane.v]];
    if (!this.pixels || this.pixels.width !== width || this.pixels.height !== height) {
      this.slice.width = width;
      this.slice.height = height;
      this.pixels = new ImageData(width, height);
    }
    const words = new Uint32Array(this.pixels.data.buffer);
    drawSlice(shown, this.plane, shown.at[this.plane.w], shown.drawing, words, rect);
    const context = this.slice.getContext("2d");
    context?.putImageData(this.pixels, 0, 0, rect.x0, rect.y0, rect.x1 - rect.x0, rect.y1 - rect.y0);
  }

  private putOnScreen(part: Rect | null): void {
    const context = this.prepared(this.picture);
    if (!context || !this.shown) return;
    const { spacingMm, dims } = this.shown;
    const placed = this.placed;
    const scale = [spacingMm[this.plane.u] * placed.pixelsPerMm, spacingMm[this.plane.v] * placed.pixelsPerMm];
    const { width, height } = this.size;
    context.save();
    if (part) {
      context.beginPath();
      context.rect(
        placed.left + (part.x0 - 1) * scale[0], placed.top + (part.y0 - 1) * scale[1],
        (part.x1 - part.x0 + 2) * scale[0], (part.y1 - part.y0 + 2) * scale[1],
      );
      context.clip();
    } else {
      context.fillStyle = "#000";
      context.fillRect(0, 0, width, height);
    }
    context.imageSmoothingEnabled = Math.min(...scale) < 4;
    context.drawImage(this.slice, placed.left, placed.top, dims[this.plane.u] * scale[0], dims[this.plane.v] * scale[1]);
    context.restore();
  }

  /** Crosshair, and the brush where the pointer is here. */
  drawAbove(brush: Brush | null): void {
    const context = this.prepared(this.above);
    if (!context || !this.shown) return;
    const { width, height } = this.size;
    context.clearRect(0, 0, width, height);
    const [x, y] = pointOf(this.plane, this.shown, this.placed, this.shown.at).map((n) => Math.round(n) + 0.5);
    context.strokeStyle = CROSS_COLOUR;
    context.lineWidth = 1;
    context.beginPath();
    for (const [x0, y0, x1, y1] of [
      [x, 0, x, y - GAP_PX], [x, y + GAP_PX, x, height], [0, y, x - GAP_PX, y], [x + GAP_PX, y, width, y],
    ]) {
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
    }
    context.stroke();
    if (brush) this.drawBrush(context, brush);
  }

  private drawBrush(context: CanvasRenderingContext2D, brush: Brush): void {
    const radius = brush.radiusMm * this.placed.pixelsPerMm;
    context.strokeStyle = brush.colour;
    context.lineWidth = 1.5;
    context.beginPath();
    if (brush.isCross) {
      context.moveTo(brush.x - 8, brush.y);
      context.lineTo(brush.x + 8, brush.y);
      context.moveTo(brush.x, brush.y - 8);
      context.lineTo(brush.x, brush.y + 8);
    } else context.arc(brush.x, brush.y, Math.max(1, radius), 0, 2 * Math.PI);
    context.stroke();
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = "#dfe5ea";
    context.strokeStyle = "#000";
    context.lineWidth = 3;
    const away = (brush.isCross ? 8 : radius) + 6;
    brush.words.split("\n").forEach((line, row) => {
      context.strokeText(line, brush.x + away, brush.y + 4 + 14 * row);
      context.fillText(line, brush.x + away, brush.y + 4 + 14 * row);
    });
  }

  /** The context, its canvas as large as the screen is fine. */
  private prepared(canvas: HTMLCanvasElement): CanvasRenderingContext2D | null {
    const { width, height } = this.size;
    const ratio = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
    }
    const context = canvas.getContext("2d", { alpha: canvas === this.above });
    context?.setTransform(ratio, 0, 0, ratio, 0, 0);
    return context;
  }

  /** The voxel under a point of the element; may be outside. */
  voxelAt(x: number, y: number): Triple {
    if (!this.shown) return [0, 0, 0];
    return voxelUnder(this.plane, this.shown, this.placed, x, y, this.shown.at);
  }

  pan(dx: number, dy: number): void {
    const { pixelsPerMm } = this.placed;
    this.look = { ...this.look, panMm: [this.look.panMm[0] + dx / pixelsPerMm, this.look.panMm[1] + dy / pixelsPerMm] };
  }

  zoom(factor: number, x: number, y: number): void {
    const { width, height } = this.size;
    this.look = zoomedAbout(this.look, this.placed, factor, x, y, width, height);
  }

  /** Bring a voxel to the middle. */
  centreOn(voxel: Triple): void {
    if (!this.shown) return;
    const [x, y] = pointOf(this.plane, this.shown, this.placed, voxel);
    this.pan(this.size.width / 2 - x, this.size.height / 2 - y);
  }

  resetLook(): void {
    this.look = { zoom: 1, panMm: [0, 0] };
  }
}
