/** What the workbench's server offers, typed. */

import type { Box, Triple } from "../geometry/grid.ts";
import { askJson, ask, ApiError, useCsrf } from "./http.ts";

export interface StructureOfMap {
  readonly name: string;
  readonly value: number;
  readonly colour: string;
  readonly mirror?: string | null;
}

export interface Session {
  readonly user: string;
  readonly role: string;
  readonly csrf: string;
  readonly workspace: string;
  readonly workspace_id?: string;
  readonly blind_share?: number;
  readonly windows?: readonly { name: string; low_hu: number; high_hu: number }[];
  readonly class_map: { name?: string; structures: StructureOfMap[] } | StructureOfMap[];
}

export interface Finding {
  readonly kind: string;
  readonly words: string;
  readonly severity?: "low" | "medium" | "high";
  readonly place_mm?: Triple | null;
  readonly place_voxel?: Triple | null;
}

export type StructureState = "undecided" | "proposed" | "flagged" | "corrected" | "accepted" | "absent_fov" | "absent_anatomy" | "absent";

export interface StructureInfo {
  readonly name: string;
  readonly value: number;
  readonly colour: string;
  readonly state: StructureState;
  readonly absent?: "fov" | "anatomy" | null;
  readonly mirror?: string | null;
  readonly mask_id: string | null;
  readonly voxels: number;
  readonly volume_ml: number;
  readonly box: Box | null;
  readonly locked: boolean;
  readonly window: { low_hu: number; high_hu: number; name: string } | null;
  readonly findings: readonly Finding[];
  readonly neighbours: readonly string[];
}

export interface CaseInfo {
  readonly id: string;
  readonly phase: string | null;
  readonly dims: Triple;
  readonly spacing_mm: Triple;
  readonly affine: readonly number[];
  readonly structures: readonly StructureInfo[];
  readonly next_case: string | null;
  readonly editable?: boolean;
  /** In a blind drawing: the proposal that it begins from. */
  readonly blind?: string;
  readonly assigned?: string | null;
}

export interface WorklistCase {
  readonly id: string;
  readonly phase: string | null;
  readonly slices: number;
  readonly to_check: number;
  readonly findings: number;
  readonly grave_findings?: number;
  readonly last_edit: string | null;
  readonly seconds: number | null;
  readonly state: string;
  readonly thumbnail: string | null;
  readonly lease: { by: string; until: string } | null;
  readonly assigned: string | null;
  readonly last_by?: string | null;
  readonly chosen?: string | null;
  readonly counts?: Readonly<Record<string, number>>;
}

export interface Worklist {
  readonly cases: readonly WorklistCase[];
  readonly progress: { round: number | null; decided: number; total: number } | null;
}

export interface Revision {
  readonly id: string;
  readonly origin: string;
  readonly maker: string;
  readonly round: number | null;
  readonly created: string;
  readonly voxels: number;
  readonly accepted: boolean;
  readonly in_force: boolean;
}

export interface MaskCrop {
  readonly id: string;
  readonly box: Box;
  readonly mask: Uint8Array<ArrayBuffer>;
}

const part = encodeURIComponent;
export const casePath = (id: string): string => `/api/cases/${part(id)}`;
export const maskPath = (id: string, structure: string): string => `${casePath(id)}/masks/${part(structure)}`;

export async function openSession(): Promise<Session> {
  const session = await askJson<Session>("/api/session");
  useCsrf(session.csrf);
  return session;
}

/** Take over the session that somebody began in another tab, if it is the same person's. */
export async function renewSession(user: string): Promise<boolean> {
  const session = await askJson<Session>("/api/session");
  if (session.user !== user) return false;
  useCsrf(session.csrf);
  return true;
}

/** Whether this person assigns cases and may draw where somebody else does. */
export const isReviewer = ({ role }: Pick<Session, "role">): boolean => ["reviewer", "admin"].includes(role);

export function structuresOf(session: Session): StructureOfMap[] {
  const map = session.class_map;
  return Array.isArray(map) ? map : map.structures;
}

/** The session, or the login page for who has none. */
export async function sessionOrLogin(): Promise<Session> {
  try {
    return await openSession();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      const back = location.pathname.split("/").pop() + location.hash;
      location.replace(`login.html#${part(back)}`);
      return new Promise(() => undefined);
    }
    throw error;
  }
}

export const caseInfo = (id: string): Promise<CaseInfo> => askJson(casePath(id));
export const worklist = (query: string): Promise<Worklist> => askJson(`/api/worklist${query}`);
export const revisionsOf = (id: string, structure: string): Promise<Revision[]> =>
  askJson<Revision[] | { revisions: Revision[] }>(`${maskPath(id, structure)}/revisions`).then((answer) =>
    Array.isArray(answer) ? answer : answer.revisions);

/** A mask of a structure, cropped; null where there is none. */
export async function maskCrop(id: string, structure: string, what: "draft" | "blind draft" | { revision?: string }): Promise<MaskCrop | null> {
  const path = maskPath(id, structure);
  const query = what === "draft" ? "/draft" : what === "blind draft" ? "/draft?blind=true" : what.revision ? `?revision=${part(what.revision)}` : "";
  const response = await ask(path + query);
  if (response.status === 204) return null;
  const box = (response.headers.get("X-Masksmith-Box") ?? "").split(",").map(Number) as Box;
  if (box.length !== 6 || box.some(Number.isNaN)) throw new Error(`mask of ${structure}: the server named no box`);
  return {
    id: response.headers.get("X-Masksmith-Mask")?.replace(/^none$/, "") ?? "",
    box,
    mask: new Uint8Array(await response.arrayBuffer()),
  };
}
