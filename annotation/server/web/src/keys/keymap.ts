/** The keys: one table, which the editor obeys and the help panel shows. */

export type Command =
  | "slice-up" | "slice-down" | "slice-up-10" | "slice-down-10" | "accept" | "flag" | "reason"
  | "previous-structure" | "next-structure" | "next-case" | "previous-case" | "undo" | "redo"
  | "smaller" | "larger" | "hide" | "show" | "outline" | "pencil" | "eraser" | "grow" | "fill-between"
  | "fill-outline" | "hu-limit" | "slices-1" | "slices-3" | "slices-5" | "own-window" | "lock" | "centre"
  | "main-plane" | "window-1" | "window-2" | "window-3" | "window-4" | "absent" | "find"
  | "help" | "cancel" | "largest" | "smooth" | "copy" | "cant-tell" | "more-opaque" | "less-opaque" | "next-finding"
  | "worklist";

export interface Binding {
  readonly command: Command;
  /** `event.code` for letters and named keys, `event.key` for brackets, digits and signs. */
  readonly code?: string;
  readonly key?: string;
  readonly ctrl?: boolean;
  readonly shift?: boolean;
  /** How the key is written, what it does, and under which heading. */
  readonly shown: string;
  readonly does: string;
  readonly group: "move" | "draw" | "structure" | "look" | "case";
}

const letter = (code: string, command: Command, does: string, group: Binding["group"]): Binding =>
  ({ command, code: `Key${code}`, shown: code, does, group });

export const BINDINGS: readonly Binding[] = [
  { command: "slice-up", code: "ArrowUp", shown: "↑", does: "one slice up", group: "move" },
  { command: "slice-down", code: "ArrowDown", shown: "↓", does: "one slice down", group: "move" },
  { command: "slice-up-10", code: "PageUp", shown: "PgUp", does: "ten slices up", group: "move" },
  { command: "slice-down-10", code: "PageDown", shown: "PgDn", does: "ten slices down", group: "move" },
  letter("C", "centre", "centre on the structure", "move"),
  letter("V", "main-plane", "change the main plane", "move"),
  letter("J", "next-finding", "jump to the next finding", "move"),
  letter("B", "pencil", "pencil", "draw"),
  letter("E", "eraser", "eraser", "draw"),
  letter("G", "grow", "grow from seed: click the seed", "draw"),
  letter("F", "fill-between", "fill between drawn slices", "draw"),
  letter("H", "fill-outline", "fill the closed outline on this slice", "draw"),
  letter("T", "hu-limit", "HU limit of the pencil: around the cursor, or off", "draw"),
  { command: "slices-1", key: "1", shown: "1", does: "pencil through one slice", group: "draw" },
  { command: "slices-3", key: "3", shown: "3", does: "pencil through three slices", group: "draw" },
  { command: "slices-5", key: "5", shown: "5", does: "pencil through five slices", group: "draw" },
  { command: "smaller", key: "[", shown: "[", does: "smaller radius", group: "draw" },
  { command: "larger", key: "]", shown: "]", does: "larger radius", group: "draw" },
  { command: "undo", code: "KeyZ", ctrl: true, shown: "Ctrl Z", does: "undo", group: "draw" },
  { command: "redo", code: "KeyZ", ctrl: true, shift: true, shown: "Ctrl Shift Z", does: "redo", group: "draw" },
  { command: "accept", code: "Enter", shown: "Enter", does: "accept, lock, next to check", group: "structure" },
  letter("X", "flag", "flag; then 1 to 5 for a reason, if you like", "structure"),
  letter("A", "absent", "absent: 1 out of view, 2 anatomically", "structure"),
  letter("Q", "previous-structure", "previous structure", "structure"),
  letter("W", "next-structure", "next structure", "structure"),
  letter("L", "lock", "lock or unlock", "structure"),
  letter("K", "largest", "keep the largest piece", "structure"),
  letter("S", "smooth", "smooth", "structure"),
  letter("R", "copy", "copy from another revision or the other side", "structure"),
  { command: "find", key: "/", shown: "/", does: "find a structure", group: "structure" },
  { command: "hide", code: "Space", shown: "Space (hold)", does: "hide the masks", group: "look" },
  letter("O", "outline", "outline or fill", "look"),
  { command: "less-opaque", key: "-", shown: "−", does: "masks fainter", group: "look" },
  { command: "more-opaque", key: "+", shown: "+", does: "masks stronger", group: "look" },
  { command: "own-window", key: "0", shown: "0", does: "the structure's own window", group: "look" },
  { command: "window-1", code: "F1", shown: "F1", does: "first window", group: "look" },
  { command: "window-2", code: "F2", shown: "F2", does: "second window", group: "look" },
  { command: "window-3", code: "F3", shown: "F3", does: "third window", group: "look" },
  { command: "window-4", code: "F4", shown: "F4", does: "fourth window", group: "look" },
  letter("N", "next-case", "next case", "case"),
  { command: "previous-case", code: "KeyN", shift: true, shown: "Shift N", does: "previous case", group: "case" },
  { command: "cant-tell", code: "KeyU", shown: "U", does: "can't tell: leave this case out, with a reason", group: "case" },
  { command: "worklist", code: "Backspace", shown: "⌫", does: "back to the worklist", group: "case" },
  { command: "help", key: "?", shown: "?", does: "all keys", group: "case" },
  { command: "cancel", code: "Escape", shown: "Esc", does: "cancel", group: "case" },
];

/** What the mouse and the pen do; shown with the keys. */
export const GESTURES: readonly { shown: string; does: string }[] = [
  { shown: "wheel", does: "slice" },
  { shown: "left drag", does: "the tool" },
  { shown: "right drag", does: "erase the active structure only" },
  { shown: "middle drag", does: "pan (or Shift + left drag)" },
  { shown: "Ctrl wheel, pinch", does: "zoom" },
  { shown: "Shift wheel", does: "radius" },
  { shown: "Shift move", does: "crosshair follows" },
  { shown: "Alt click", does: "pick the structure under the cursor" },
  { shown: "Ctrl drag", does: "window: across width, down level" },
];

/** The windows of F1 to F4 go by their names; a key without one is no key. */
export function namedBindings(windowNames: readonly string[]): readonly Binding[] {
  return BINDINGS.flatMap((binding) => {
    const [, number] = /^window-(\d)$/.exec(binding.command) ?? [];
    if (!number) return [binding];
    const name = windowNames[Number(number) - 1];
    return name === undefined ? [] : [{ ...binding, does: `window: ${name.toLowerCase()}` }];
  });
}

export interface KeyLike {
  readonly code: string;
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
  readonly altKey: boolean;
}

/** The binding of a key press; letters and named keys by place, signs by what they write. */
export function bindingOf(event: KeyLike): Binding | null {
  const ctrl = event.ctrlKey || event.metaKey;
  if (event.altKey && event.key.length === 1 && event.code.startsWith("Key")) return null;
  return BINDINGS.find((binding) => {
    if ((binding.ctrl ?? false) !== ctrl) return false;
    if (binding.key !== undefined) return binding.key === event.key;
    return binding.code === event.code && (binding.shift ?? false) === event.shiftKey;
  }) ?? null;
}

const REPEATING = new Set<Command>([
  "slice-up", "slice-down", "slice-up-10", "slice-down-10", "previous-structure", "next-structure", "undo", "redo",
  "smaller", "larger", "more-opaque", "less-opaque",
]);

/** Whether a key that is held goes on; the others count once, so that none judges a second structure or flickers. */
export const repeats = (command: Command): boolean => REPEATING.has(command);

/** Whether an element takes typed text, so that keys are off. */
export function takesText(element: { tagName: string; type?: string; isContentEditable?: boolean } | null): boolean {
  if (!element) return false;
  if (element.isContentEditable || element.tagName === "TEXTAREA" || element.tagName === "SELECT") return true;
  return element.tagName === "INPUT" && !["checkbox", "radio", "range", "button"].includes(element.type ?? "text");
}
