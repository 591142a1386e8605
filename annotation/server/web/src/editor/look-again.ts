/** How a structure stands on the server, where the page showed what does not hold. */

import { caseInfo } from "../api/workbench.ts";
import { type Entry, type Scene, stateOf } from "./scene.ts";

/** Take the state over. Another revision than the one on the screen comes when the structure is opened anew. */
export async function lookAgain(scene: Scene, entry: Entry): Promise<void> {
  const { structures } = await caseInfo(scene.info.id);
  const now = structures.find(({ name }) => name === entry.name);
  if (!now) return;
  entry.state = stateOf(now);
  scene.setLocked(entry, now.locked);
  if (now.mask_id !== entry.maskId && entry.strokes === 0) entry.isOpen = false;
}
