/** The right side: tools, pencil, window, what to do with the structure. */

import { html, nothing, type TemplateResult } from "lit-html";
import { levelOf, widthOf, windowName } from "../display/windows.ts";
import type { Command } from "../keys/keymap.ts";
import { icon, type IconName } from "../look/icons.ts";
import { whyNot } from "./allowed.ts";
import type { Commands } from "./commands.ts";
import type { Editor } from "./editor.ts";

interface Line {
  readonly command: Command;
  readonly icon: IconName;
  readonly words: string;
  readonly keys: string;
  readonly isOn?: boolean;
  readonly isWarned?: boolean;
}

export function toolPanel(editor: Editor, commands: Commands): TemplateResult {
  const { state } = editor;
  const line = (each: Line): TemplateResult => html`
    <button class="tool ${each.isOn ? "on" : ""} ${each.isWarned ? "warned" : ""}" aria-pressed=${each.isOn === undefined ? nothing : String(each.isOn)}
      aria-disabled=${editor.scene && whyNot(each.command, editor.scene.info) ? "true" : nothing}
      data-command=${each.command} @click=${() => commands.run(each.command)}>
      ${icon(each.icon)}<span>${each.words}</span><kbd>${each.keys}</kbd>
    </button>`;
  const hu = state.hu ? `${state.hu.lowHu} to ${state.hu.highHu} HU` : "HU limit off";
  return html`
    <h2>Tool</h2>
    ${[
      { command: "pencil", icon: "pencil", words: "Pencil", keys: "B", isOn: state.tool === "pencil" },
      { command: "eraser", icon: "eraser", words: "Eraser", keys: "E", isOn: state.tool === "eraser" },
      { command: "grow", icon: "seed", words: "Grow from seed", keys: "G", isOn: state.tool === "grow" },
    ].map((each) => line(each as Line))}
    ${[
      { command: "fill-between", icon: "between", words: "Fill between slices", keys: "F" },
      { command: "fill-outline", icon: "outline", words: "Fill outline", keys: "H" },
      { command: "largest", icon: "largest", words: "Largest piece", keys: "K" },
      { command: "smooth", icon: "smooth", words: "Smooth", keys: "S" },
      { command: "copy", icon: "copy", words: "Copy from …", keys: "R" },
    ].map((each) => line(each as Line))}
    <h2>Pencil</h2>
    ${line({ command: "larger", icon: "radius", words: `Radius ${state.radiusMm} mm`, keys: "[ ]" })}
    ${line({ command: nextSlices(state.slices), icon: "slices", words: `Through ${state.slices === 1 ? "1 slice" : `${state.slices} slices`}`, keys: "1 3 5", isWarned: state.slices > 1 })}
    ${line({ command: "hu-limit", icon: "hu", words: hu, keys: "T", isWarned: state.hu !== null })}
    <h2>Window</h2>
    ${editor.presets.map((preset, at) => line({
      command: `window-${at + 1}` as Command, icon: "window", words: windowName(preset),
      keys: `F${at + 1}`, isOn: state.window.name === preset.name,
    }))}
    <h2>Structure</h2>
    ${[
      { command: "accept", icon: "check", words: "Accept, next", keys: "Enter" },
      { command: "flag", icon: "flag", words: "Flag", keys: "X" },
      { command: "absent", icon: "absent", words: "Absent", keys: "A" },
      { command: "lock", icon: "lock", words: editor.scene?.active?.locked ? "Unlock" : "Lock", keys: "L" },
    ].map((each) => line(each as Line))}`;
}

const nextSlices = (slices: 1 | 3 | 5): Command => ({ 1: "slices-3", 3: "slices-5", 5: "slices-1" } as const)[slices];

export const windowWords = (window: Editor["state"]["window"]): string =>
  `${windowName(window)} · W ${widthOf(window)} L ${levelOf(window)}`;
