/** The 3-D tile: NiiVue on a coarse copy of the labels, drawn when the hand rests. It may fail; nothing else notices. */

import type { Niivue } from "@niivue/niivue";
import { coarseCopy } from "../display/coarse.ts";
import type { Scene } from "./scene.ts";

const REST_MS = 900;
const SLOW_RENDERERS = /swiftshader|llvmpipe|software|basic render/i;

/** Where NIfTI says what its values mean, and that they are labels. */
const INTENT_OFFSET = 68;
const LABEL_INTENT = 1002;

type Words = { readonly words: string; readonly button: string | null };

export class ThreeDTile {
  private readonly tile: HTMLElement;
  private readonly drawWords: (words: Words | null) => void;
  private niivue: Niivue | null = null;
  private timer = 0;
  private isDrawing = false;
  private readonly renderer: string | null;

  constructor(tile: HTMLElement, drawWords: (words: Words | null) => void) {
    this.tile = tile;
    this.drawWords = drawWords;
    this.renderer = rendererName();
    if (this.renderer === null) drawWords({ words: "No 3-D here: this browser has no WebGL. All else works.", button: null });
    else if (this.isSlow) drawWords({ words: "3-D is slow without a graphics card.", button: "Draw it once" });
    else drawWords({ words: "3-D comes when you rest.", button: null });
  }

  private get isSlow(): boolean {
    return this.renderer !== null && SLOW_RENDERERS.test(this.renderer);
  }

  /** Voxels changed, or another case came: draw soon, if this machine can. */
  rest(scene: Scene): void {
    if (this.renderer === null || this.isSlow) return;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.draw(scene), REST_MS);
  }

  async draw(scene: Scene): Promise<void> {
    if (this.isDrawing) return;
    this.isDrawing = true;
    try {
      await this.show(scene);
      this.drawWords(null);
    } catch (error) {
      this.niivue = null;
      this.drawWords({ words: `3-D failed (${error instanceof Error ? error.message : "unknown"}). All else works.`, button: "Try again" });
    } finally {
      this.isDrawing = false;
    }
  }

  private async show(scene: Scene): Promise<void> {
    const { Niivue, NVImage, SLICE_TYPE } = await import("@niivue/niivue");
    if (!this.niivue) {
      this.tile.querySelector("canvas")?.remove();
      const canvas = this.tile.appendChild(document.createElement("canvas"));
      canvas.setAttribute("aria-label", "Structures in 3-D; drag to turn");
      canvas.addEventListener("webglcontextlost", () => (this.niivue = null));
      const niivue = new Niivue({ show3Dcrosshair: false, isOrientCube: false, backColor: [0.05, 0.06, 0.07, 1], isRadiologicalConvention: true, dragAndDropEnabled: false, logLevel: "silent" });
      await niivue.attachToCanvas(canvas);
      niivue.setSliceType(SLICE_TYPE.RENDER);
      this.niivue = niivue;
    }
    const coarse = coarseCopy(scene.grid, scene.volume.labels);
    const isWide = coarse.labels instanceof Uint16Array;
    const file = NVImage.createNiftiArray([...coarse.dims], [...coarse.spacingMm], coarse.affine, isWide ? 512 : 2, new Uint8Array(coarse.labels.buffer));
    new DataView(file.buffer, file.byteOffset).setInt16(INTENT_OFFSET, LABEL_INTENT, true);
    const image = await NVImage.loadFromUrl({ url: file.buffer as ArrayBuffer, name: "labels.nii" });
    image.setColormapLabel(colourTable(scene));
    image.cal_min = 0;
    for (const old of [...this.niivue.volumes]) this.niivue.removeVolume(old);
    this.niivue.addVolume(image);
  }
}

function colourTable(scene: Scene): { R: number[]; G: number[]; B: number[]; A: number[]; I: number[]; labels: string[] } {
  const highest = Math.max(...scene.entries.map(({ value }) => value));
  const none = (): number[] => new Array<number>(highest + 1).fill(0);
  const table = { R: none(), G: none(), B: none(), A: none(), I: [...Array(highest + 1).keys()], labels: new Array<string>(highest + 1).fill("") };
  for (const { value, colour, name } of scene.entries) {
    [table.R[value], table.G[value], table.B[value]] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
    table.A[value] = 255;
    table.labels[value] = name;
  }
  return table;
}

/** What draws WebGL here; null without WebGL 2. */
function rendererName(): string | null {
  const context = document.createElement("canvas").getContext("webgl2");
  if (!context) return null;
  const facts = context.getExtension("WEBGL_debug_renderer_info");
  const name = facts ? String(context.getParameter(facts.UNMASKED_RENDERER_WEBGL)) : "";
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return name;
}
