// How far behind the live edge to play after stalls. The engine moves back by a step at each; this
// gives the steps back when the picture has moved for a while. Pure: time is an argument.

/** What one stall costs. */
export const STEP_S = 0.25;
/** Playing for so long without a stall earns a step. */
const QUIET_FIRST_MS = 30_000;
/** Where a step that was given back is lost again, the next one has to wait for longer. */
const QUIET_MAX_MS = 240_000;
/** What is left of rounding is no step. */
const ROUNDING_S = 0.01;

export class HoldBack {
  #quietMs = QUIET_FIRST_MS;
  #sinceMs: number;
  #hasGivenBack = false;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  stalled(nowMs: number): void {
    if (this.#hasGivenBack) {
      this.#quietMs = Math.min(this.#quietMs * 2, QUIET_MAX_MS);
      this.#hasGivenBack = false;
    }
    this.#sinceMs = nowMs;
  }

  /** The new target where a step is due: from `targetS`, never less than the server's `leastS`. */
  next(targetS: number, leastS: number, nowMs: number): number | null {
    if (targetS - leastS < ROUNDING_S || nowMs - this.#sinceMs < this.#quietMs) {
      return null;
    }
    this.#sinceMs = nowMs;
    this.#hasGivenBack = true;
    return Math.max(leastS, targetS - STEP_S);
  }
}
