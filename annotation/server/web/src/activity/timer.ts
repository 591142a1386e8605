/** Seconds of work: time between signs of life counts, unless the pause was long. */

export class ActivityTimer {
  private readonly idleAfterS: number;
  private readonly now: () => number;
  private worked = 0;
  private lastSign: number | null = null;

  constructor(idleAfterS = 30, now: () => number = () => performance.now() / 1000) {
    this.idleAfterS = idleAfterS;
    this.now = now;
  }

  /** A stroke, a key, a turn of the wheel. */
  sign(): void {
    const now = this.now();
    if (this.lastSign !== null && now - this.lastSign <= this.idleAfterS) this.worked += now - this.lastSign;
    this.lastSign = now;
  }

  /** The tab was left. */
  pause(): void {
    if (this.lastSign !== null) this.sign();
    this.lastSign = null;
  }

  /** Since the last sign of life. */
  get idleSeconds(): number {
    return this.lastSign === null ? Infinity : this.now() - this.lastSign;
  }

  get seconds(): number {
    return Math.round(this.worked * 10) / 10;
  }

  /** Seconds so far; counts from zero again. */
  take(): number {
    this.sign();
    const seconds = this.seconds;
    this.worked = 0;
    return seconds;
  }
}
