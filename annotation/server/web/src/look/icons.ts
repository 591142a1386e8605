/** Icons, drawn with lines so that they take the text's colour. */

import { svg, type SVGTemplateResult } from "lit-html";

const PATHS = {
  pencil: "M4 20l1-4L16 5l3 3L8 19z M14 7l3 3",
  eraser: "M9 20h11 M5 15L14 6l5 5-8 9H8z",
  seed: "M12 4v6 M12 14v6 M4 12h6 M14 12h6",
  between: "M5 5h14 M5 19h14 M8 9h8 M7 12h10 M8 15h8",
  outline: "M7 5h10l3 7-3 7H7l-3-7z M9 12h6",
  pick: "M12 3v4 M12 17v4 M3 12h4 M17 12h4 M12 12m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
  largest: "M5 9a5 5 0 1 1 10 0a5 5 0 1 1-10 0 M17 18h2",
  smooth: "M3 15c4-10 6 4 9-2s5-6 9-1",
  copy: "M8 8h11v11H8z M5 16V5h11",
  radius: "M12 12m-8 0a8 8 0 1 0 16 0a8 8 0 1 0-16 0 M12 12h8",
  slices: "M4 8l8-4 8 4-8 4z M4 12l8 4 8-4 M4 16l8 4 8-4",
  hu: "M4 18V9 M9 18V5 M14 18v-6 M19 18V8",
  lock: "M6 11h12v9H6z M8 11V8a4 4 0 0 1 8 0v3",
  flag: "M6 21V4h11l-2 4 2 4H6",
  check: "M4 13l5 5L20 6",
  absent: "M5 5l14 14 M12 12m-8 0a8 8 0 1 0 16 0a8 8 0 1 0-16 0",
  next: "M9 5l7 7-7 7",
  warning: "M12 4l9 16H3z M12 10v4 M12 17v.5",
  person: "M12 8m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0 M4 21c1-6 15-6 16 0",
  window: "M4 5h16v14H4z M12 5v14",
  list: "M4 6h16 M4 12h16 M4 18h16",
  keys: "M3 7h18v10H3z M7 14h10 M7 10h.5 M11 10h.5 M15 10h.5",
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName): SVGTemplateResult {
  return svg`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}
