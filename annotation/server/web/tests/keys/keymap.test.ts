import { expect, test } from "vitest";
import { bindingOf, BINDINGS, type KeyLike, namedBindings, repeats, takesText } from "../../src/keys/keymap.ts";

const press = (more: Partial<KeyLike>): string | undefined => bindingOf({
  code: "", key: "", ctrlKey: false, metaKey: false, shiftKey: false, altKey: false, ...more,
})?.command;

test.each([
  ["KeyB", "pencil"], ["KeyE", "eraser"], ["KeyG", "grow"], ["KeyF", "fill-between"], ["KeyT", "hu-limit"],
  ["KeyA", "absent"], ["KeyX", "flag"], ["KeyQ", "previous-structure"], ["KeyW", "next-structure"],
  ["KeyN", "next-case"], ["KeyO", "outline"], ["KeyL", "lock"], ["KeyC", "centre"], ["KeyV", "main-plane"],
  ["F1", "window-1"], ["F4", "window-4"], ["Enter", "accept"], ["Escape", "cancel"], ["Space", "hide"],
  ["PageUp", "slice-up-10"], ["ArrowDown", "slice-down"],
])("%s is %s", (code, command) => expect(press({ code })).toBe(command));

test("letters go by their place, brackets and signs by what they write", () => {
  expect(press({ code: "KeyQ", key: "a" })).toBe("previous-structure");
  expect(press({ code: "Digit8", key: "[" })).toBe("smaller");
  expect(press({ code: "Minus", key: "?", shiftKey: true })).toBe("help");
  expect(press({ code: "Numpad3", key: "3" })).toBe("slices-3");
});

test("Ctrl and Shift tell undo, redo and cases apart", () => {
  expect(press({ code: "KeyZ" })).toBeUndefined();
  expect(press({ code: "KeyZ", ctrlKey: true })).toBe("undo");
  expect(press({ code: "KeyZ", metaKey: true, shiftKey: true })).toBe("redo");
  expect(press({ code: "KeyN", shiftKey: true })).toBe("previous-case");
  expect(press({ code: "KeyF", ctrlKey: true })).toBeUndefined();
});

test("no key does two things", () => {
  const pressed = BINDINGS.map(({ code, key, ctrl, shift }) => [code, key, ctrl, shift].join(" "));
  expect(new Set(pressed).size).toBe(pressed.length);
});

test("a held key scrolls on, but judges and opens once", () => {
  expect(["slice-up", "smaller", "undo"].map((each) => repeats(each as never))).toEqual([true, true, true]);
  expect(["accept", "flag", "absent", "next-case", "lock"].map((each) => repeats(each as never))).toEqual([false, false, false, false, false]);
});

test("the help names the windows that are set, and no key without one", () => {
  const does = (names: string[]): string[] => namedBindings(names).filter(({ code }) => /^F\d$/.test(code ?? "")).map(({ shown, does }) => `${shown} ${does}`);
  expect(does(["Liver", "Lung"])).toEqual(["F1 window: liver", "F2 window: lung"]);
  expect(namedBindings(["A", "B", "C", "D"]).length).toBe(BINDINGS.length);
});

test("text fields keep their keys", () => {
  expect(takesText({ tagName: "INPUT", type: "search" })).toBe(true);
  expect(takesText({ tagName: "INPUT", type: "range" })).toBe(false);
  expect(takesText({ tagName: "BUTTON" })).toBe(false);
  expect(takesText(null)).toBe(false);
});
