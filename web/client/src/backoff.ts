// What to do after an error that the playback library could not mend by itself. Pure: time is an
// argument. Playback is never given up: as long as the stream is live something is tried again.

/** What the library says of a fatal error. */
export type Failure = "manifest" | "network" | "media" | "other";

export type Remedy =
  /** Load the multivariant playlist again. */
  | { kind: "reload"; delayMs: number }
  /** Go on loading from where the player stands. */
  | { kind: "resume"; delayMs: number }
  /** Throw the decoder's buffers away and fill them anew. */
  | { kind: "recover-media"; delayMs: number }
  /** Take a new player: the last resort. */
  | { kind: "rebuild"; delayMs: number };

const DELAY_FIRST_MS = 250;
/** A viewer who waits for a stream should see it within this time of its return. */
const DELAY_MAX_MS = 4000;
/** Media errors this close to each other are one fault; the decoder's own mending did not help. */
const MEDIA_WINDOW_MS = 20_000;
const MEDIA_RECOVERIES_MAX = 3;
/** Playing for so long means that what was wrong is over. */
const HEALTHY_AFTER_MS = 10_000;

export class Recovery {
  #attempts = 0;
  #mediaFaultsAtMs: number[] = [];
  #lastFailureMs = Number.NEGATIVE_INFINITY;

  /** Decides on a failure at `nowMs` (any monotonic clock). */
  failed(failure: Failure, nowMs: number): Remedy {
    const delayMs = Math.min(DELAY_FIRST_MS * 2 ** Math.min(this.#attempts, 10), DELAY_MAX_MS);
    this.#attempts += 1;
    this.#lastFailureMs = nowMs;
    switch (failure) {
      case "manifest":
        return { kind: "reload", delayMs };
      case "network":
        return { kind: "resume", delayMs };
      case "media":
        return this.#mediaFailed(delayMs, nowMs);
      case "other":
        return { kind: "rebuild", delayMs };
    }
  }

  /** Says that the picture moves at `nowMs`. */
  progressed(nowMs: number): void {
    if (nowMs - this.#lastFailureMs >= HEALTHY_AFTER_MS) {
      this.#attempts = 0;
    }
  }

  #mediaFailed(delayMs: number, nowMs: number): Remedy {
    const recent = this.#mediaFaultsAtMs.filter((atMs) => nowMs - atMs < MEDIA_WINDOW_MS);
    this.#mediaFaultsAtMs = [...recent, nowMs];
    if (recent.length < MEDIA_RECOVERIES_MAX) {
      // At once: every moment of waiting is a frozen picture.
      return { kind: "recover-media", delayMs: 0 };
    }
    this.#mediaFaultsAtMs = [];
    return { kind: "rebuild", delayMs };
  }
}
