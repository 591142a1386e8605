/** Which lines are ticked. */

export class Selection {
  private readonly ticked = new Set<string>();
  /** Where a range begins: the line that was ticked or unticked last. */
  private anchor: string | null = null;

  get size(): number {
    return this.ticked.size;
  }

  has(id: string): boolean {
    return this.ticked.has(id);
  }

  set(id: string, isOn: boolean): void {
    this.mark(id, isOn);
    this.anchor = id;
  }

  toggle(id: string): void {
    this.set(id, !this.has(id));
  }

  /** The same for every line from the one before through this one, as they are shown. */
  reach(id: string, isOn: boolean, shown: readonly string[]): void {
    const [from, to] = [shown.indexOf(this.anchor ?? id), shown.indexOf(id)];
    if (from < 0 || to < 0) return this.set(id, isOn);
    for (const each of shown.slice(Math.min(from, to), Math.max(from, to) + 1)) this.mark(each, isOn);
    this.anchor = id;
  }

  all(shown: readonly string[], isOn: boolean): void {
    for (const id of shown) this.mark(id, isOn);
  }

  clear(): void {
    this.ticked.clear();
    this.anchor = null;
  }

  /** Nothing is done to lines that cannot be seen. */
  keepOnly(shown: readonly string[]): void {
    const there = new Set(shown);
    for (const id of this.ticked) if (!there.has(id)) this.ticked.delete(id);
  }

  private mark(id: string, isOn: boolean): void {
    if (isOn) this.ticked.add(id);
    else this.ticked.delete(id);
  }
}
