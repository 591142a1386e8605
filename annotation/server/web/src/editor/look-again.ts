/** How a structure stands on the server, where the page showed what does not hold. */

import { caseInfo, type StructureInfo } from "../api/workbench.ts";
import { type Entry, type Scene, stateOf } from "./scene.ts";

const standing = async (scene: Scene, entry: Entry): Promise<StructureInfo | undefined> =>
  (await caseInfo(scene.info.id)).structures.find(({ name }) => name === entry.name);

/** Whether another revision is in force than the one on the screen. */
export async function isOtherInForce(scene: Scene, entry: Entry): Promise<boolean> {
  const now = (await standing(scene, entry))?.mask_id ?? null;
  return now !== null && now !== entry.maskId;
}

/** Take the state over. Another revision than the one on the screen comes when the structure is opened anew. */
export async function lookAgain(scene: Scene, entry: Entry): Promise<void> {
  const now = await standing(scene, entry);
  if (!now) return;
  entry.state = stateOf(now);
  scene.setLocked(entry, now.locked);
  if (now.mask_id !== entry.maskId && entry.strokes === 0) entry.isOpen = false;
}
