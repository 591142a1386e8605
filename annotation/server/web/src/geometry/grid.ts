/** Voxels of a volume in RAS order: i grows to the patient's right, j to the front, k to the head; i runs fastest. */

export type Triple = [number, number, number];
/** Half-open voxel box: i0, j0, k0, i1, j1, k1. */
export type Box = [number, number, number, number, number, number];

export interface Grid {
  readonly dims: Triple;
  readonly spacingMm: Triple;
  /** Row-major 4×4, voxel to RAS+ world millimetres. */
  readonly affine: readonly number[];
}

export const voxelCount = (dims: Triple): number => dims[0] * dims[1] * dims[2];

export const strides = (dims: Triple): Triple => [1, dims[0], dims[0] * dims[1]];

export const indexOf = (dims: Triple, [i, j, k]: Triple): number => i + dims[0] * (j + dims[1] * k);

export function voxelAt(dims: Triple, index: number): Triple {
  const i = index % dims[0];
  const rest = (index - i) / dims[0];
  const j = rest % dims[1];
  return [i, j, (rest - j) / dims[1]];
}

export function clampVoxel(dims: Triple, voxel: Triple): Triple {
  return voxel.map((n, axis) => Math.max(0, Math.min(dims[axis] - 1, n))) as Triple;
}

export function worldOf(affine: readonly number[], [i, j, k]: Triple): Triple {
  return [0, 4, 8].map(
    (row) => affine[row] * i + affine[row + 1] * j + affine[row + 2] * k + affine[row + 3],
  ) as Triple;
}

/** Invert the affine for one point; rounds to the nearest voxel and stays inside. */
export function voxelOfWorld(grid: Grid, world: readonly number[]): Triple {
  const a = grid.affine;
  const b = [world[0] - a[3], world[1] - a[7], world[2] - a[11]];
  const [m00, m01, m02, m10, m11, m12, m20, m21, m22] = [a[0], a[1], a[2], a[4], a[5], a[6], a[8], a[9], a[10]];
  const determinant =
    m00 * (m11 * m22 - m12 * m21) - m01 * (m10 * m22 - m12 * m20) + m02 * (m10 * m21 - m11 * m20);
  const i = b[0] * (m11 * m22 - m12 * m21) + b[1] * (m02 * m21 - m01 * m22) + b[2] * (m01 * m12 - m02 * m11);
  const j = b[0] * (m12 * m20 - m10 * m22) + b[1] * (m00 * m22 - m02 * m20) + b[2] * (m02 * m10 - m00 * m12);
  const k = b[0] * (m10 * m21 - m11 * m20) + b[1] * (m01 * m20 - m00 * m21) + b[2] * (m00 * m11 - m01 * m10);
  return clampVoxel(grid.dims, [i, j, k].map((n) => Math.round(n / determinant)) as Triple);
}

export function boxSize(box: Box): Triple {
  return [box[3] - box[0], box[4] - box[1], box[5] - box[2]];
}

export function boxUnion(first: Box | null, second: Box | null): Box | null {
  if (!first || !second) return first ?? second;
  return [
    Math.min(first[0], second[0]), Math.min(first[1], second[1]), Math.min(first[2], second[2]),
    Math.max(first[3], second[3]), Math.max(first[4], second[4]), Math.max(first[5], second[5]),
  ];
}

export function boxPadded(dims: Triple, box: Box, margin: Triple): Box {
  const low = [0, 1, 2].map((axis) => Math.max(0, box[axis] - margin[axis]));
  const high = [0, 1, 2].map((axis) => Math.min(dims[axis], box[axis + 3] + margin[axis]));
  return [...low, ...high] as Box;
}

export const wholeBox = (dims: Triple): Box => [0, 0, 0, dims[0], dims[1], dims[2]];

/** Where the rows of a box start in the volume, and how long each is: visits i-runs, k slowest. */
export function forEachRow(dims: Triple, box: Box, visit: (start: number, length: number) => void): void {
  const length = box[3] - box[0];
  for (let k = box[2]; k < box[5]; k++) {
    for (let j = box[1]; j < box[4]; j++) visit(box[0] + dims[0] * (j + dims[1] * k), length);
  }
}
