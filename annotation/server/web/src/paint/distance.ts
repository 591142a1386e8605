/** Signed distance of a 2-D mask to its edge in mm: negative inside. Felzenszwalb and Huttenlocher's transform. */

const FAR = 1e20;

export function signedDistanceMm(mask: Uint8Array, width: number, height: number, spacing: readonly [number, number]): Float32Array {
  const outside = squaredDistance(mask, width, height, spacing, 1);
  const inside = squaredDistance(mask, width, height, spacing, 0);
  const signed = new Float32Array(mask.length);
  for (let at = 0; at < signed.length; at++) signed[at] = Math.sqrt(outside[at]) - Math.sqrt(inside[at]);
  return signed;
}

/** Squared distance in mm² of each pixel to the nearest pixel that has `target`. */
export function squaredDistance(mask: Uint8Array, width: number, height: number, spacing: readonly [number, number], target: 0 | 1): Float64Array {
  const grid = new Float64Array(mask.length);
  for (let at = 0; at < mask.length; at++) grid[at] = (mask[at] ? 1 : 0) === target ? 0 : FAR;
  const line = new LineTransform(Math.max(width, height));
  for (let x = 0; x < width; x++) line.run(grid, x, width, height, spacing[1]);
  for (let y = 0; y < height; y++) line.run(grid, y * width, 1, width, spacing[0]);
  return grid;
}

/** The lower envelope of parabolas along one line. */
class LineTransform {
  private readonly values: Float64Array;
  private readonly places: Int32Array;
  private readonly borders: Float64Array;

  constructor(longest: number) {
    this.values = new Float64Array(longest);
    this.places = new Int32Array(longest);
    this.borders = new Float64Array(longest + 1);
  }

  run(grid: Float64Array, start: number, step: number, length: number, spacing: number): void {
    const { values, places, borders } = this;
    for (let q = 0; q < length; q++) values[q] = grid[start + q * step];
    const scale = spacing * spacing;
    let top = 0;
    places[0] = 0;
    borders[0] = -Infinity;
    borders[1] = Infinity;
    for (let q = 1; q < length; q++) {
      let crossing = this.crossing(q, places[top], scale);
      while (crossing <= borders[top]) crossing = this.crossing(q, places[--top], scale);
      places[++top] = q;
      borders[top] = crossing;
      borders[top + 1] = Infinity;
    }
    top = 0;
    for (let q = 0; q < length; q++) {
      while (borders[top + 1] < q) top++;
      const away = q - places[top];
      grid[start + q * step] = scale * away * away + values[places[top]];
    }
  }

  private crossing(q: number, p: number, scale: number): number {
    const { values } = this;
    return (values[q] - values[p] + scale * (q * q - p * p)) / (2 * scale * (q - p));
  }
}
