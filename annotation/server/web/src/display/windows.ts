/** Grey-value windows: which Hounsfield units are shown black and which white. */

export interface HuWindow {
  readonly name: string;
  readonly lowHu: number;
  readonly highHu: number;
}

/** How many keys there are for them: F1 to F4. */
const KEYS = 4;
const WORDS: Record<string, string> = { soft: "Soft tissue" };

/** The windows of F1 to F4 as the server's configuration has them; for a server that says none, one of soft tissue. */
export function presetsOf(windows: readonly { name: string; low_hu: number; high_hu: number }[] | undefined): readonly HuWindow[] {
  const known = (windows ?? []).map(({ name, low_hu, high_hu }) => ({ name, lowHu: low_hu, highHu: high_hu }));
  return known.length > 0 ? known.slice(0, KEYS) : [{ name: "soft", lowHu: -160, highHu: 240 }];
}

/** A window's name as people read it. */
export function windowName({ name }: HuWindow): string {
  const words = WORDS[name] ?? name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export const levelOf = (window: HuWindow): number => Math.round((window.lowHu + window.highHu) / 2);
export const widthOf = (window: HuWindow): number => Math.round(window.highHu - window.lowHu);

/** A grey value for each int16 (read as unsigned 16 bit). */
export function greyTable(window: HuWindow, table: Uint8Array = new Uint8Array(65536)): Uint8Array {
  const scale = 255 / Math.max(1, window.highHu - window.lowHu);
  for (let word = 0; word < 65536; word++) {
    const grey = ((word << 16 >> 16) - window.lowHu) * scale;
    table[word] = grey < 0 ? 0 : grey > 255 ? 255 : Math.round(grey);
  }
  return table;
}

/** A window dragged by the mouse: right widens, down lowers the level. */
export function dragged(window: HuWindow, dx: number, dy: number): HuWindow {
  const width = Math.max(2, widthOf(window) + 2 * dx);
  const level = levelOf(window) + dy;
  return { name: "own", lowHu: level - width / 2, highHu: level + width / 2 };
}
