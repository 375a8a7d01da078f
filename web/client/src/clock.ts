// The server's clock as seen from here. HTTP's `Date` header has a resolution of one second
// (RFC 9110 §6.6.1), but every answer bounds the difference from both sides, and the bounds of
// many answers at different phases of the second narrow it to a few dozen milliseconds.

/** The whole seconds of a `Date` header cover this span. */
const DATE_RESOLUTION_MS = 1000;

/** One answer of the server, on this machine's clock in milliseconds since the epoch. */
export interface ClockSample {
  sentMs: number;
  receivedMs: number;
  /** The answer's `Date`, in milliseconds since the epoch. */
  serverDateMs: number;
}

/** Estimates how far the server's clock is ahead of this one. */
export class ServerClock {
  #leastMs = Number.NEGATIVE_INFINITY;
  #mostMs = Number.POSITIVE_INFINITY;

  /** Takes one answer in. Where it contradicts the earlier ones a clock was set: begins anew. */
  observe(sample: ClockSample): void {
    // The header was written between sending and receiving, at some instant of its second.
    const leastMs = sample.serverDateMs - sample.receivedMs;
    const mostMs = sample.serverDateMs + DATE_RESOLUTION_MS - sample.sentMs;
    if (!(leastMs <= mostMs)) {
      return;
    }
    const least = Math.max(this.#leastMs, leastMs);
    const most = Math.min(this.#mostMs, mostMs);
    const agrees = least <= most;
    this.#leastMs = agrees ? least : leastMs;
    this.#mostMs = agrees ? most : mostMs;
  }

  /**
   * Milliseconds to add to this machine's clock: the smallest correction that the answers allow,
   * so that two machines which keep time are not corrected by the header's coarseness.
   */
  get skewMs(): number {
    return Math.min(Math.max(0, this.#leastMs), this.#mostMs);
  }
}
