/** Sharing cases out: about the same work for everybody. */

export interface Work {
  readonly id: string;
  readonly to_check: number;
}

/** Cases by person. The largest case goes first, each to whom has least so far; opening a case counts as one mask. */
export function shareOut(cases: readonly Work[], among: readonly string[]): Map<string, string[]> {
  const shares = new Map<string, string[]>(among.map((name) => [name, []]));
  const load = new Map<string, number>(among.map((name) => [name, 0]));
  if (among.length === 0) return shares;
  for (const each of [...cases].sort((a, b) => b.to_check - a.to_check)) {
    const name = among.reduce((least, other) => ((load.get(other) ?? 0) < (load.get(least) ?? 0) ? other : least));
    shares.get(name)?.push(each.id);
    load.set(name, (load.get(name) ?? 0) + each.to_check + 1);
  }
  return shares;
}
