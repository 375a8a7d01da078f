// Where in the live window a viewer is, and where a jump may land. Pure; seconds of media time.

/** Further behind than this beyond the hold-back is no longer "live" to a viewer. */
const LIVE_SLACK_S = 2;
/**
 * The engine catches up by playing faster, but only from less than this; further behind than this
 * beyond its target it would stay there for the rest of the broadcast.
 */
const CAUGHT_UP_WITHIN_S = 3;
/** One jump to the live edge for so long: where the network is too slow, more would not help. */
const JUMP_EVERY_MS = 8000;
/** A seek stops this far from the window's ends: the oldest segment leaves it at any moment. */
const EDGE_MARGIN_S = 0.5;

/** The part of the timeline that can be played. */
export interface SeekWindow {
  startS: number;
  endS: number;
}

/** Whether a player at `positionS` is at the live edge, given where it would ideally be. */
export function isAtEdge(positionS: number, idealS: number | null): boolean {
  return idealS === null || idealS - positionS <= LIVE_SLACK_S;
}

/** Whether a viewer who did not choose to be behind is to be taken back to the live edge. */
export function mustJump(positionS: number, idealS: number, sinceLastJumpMs: number): boolean {
  return idealS - positionS > CAUGHT_UP_WITHIN_S && sinceLastJumpMs >= JUMP_EVERY_MS;
}

/** Where a jump by `deltaS` lands; never past the ideal live position, never out of the window. */
export function seekTarget(
  positionS: number,
  deltaS: number,
  window: SeekWindow | null,
  idealS: number | null,
): number {
  if (window === null) {
    return positionS;
  }
  const earliest = Math.min(window.startS + EDGE_MARGIN_S, window.endS);
  const latest = Math.max(earliest, Math.min(idealS ?? window.endS, window.endS));
  return Math.min(Math.max(positionS + deltaS, earliest), latest);
}

/**
 * The picture's age: by the playlist's clock, but never less than the picture is behind the newest
 * media, which a clock set late by a server under load would make it.
 */
export function pictureAgeMs(nowMs: number, pictureMs: number, behindEdgeMs: number | null): number {
  return Math.round(Math.max(nowMs - pictureMs, behindEdgeMs ?? 0, 0));
}

/** Whether the window has moved on past a player that was paused or cut off. */
export function hasFallenOut(positionS: number, window: SeekWindow | null): boolean {
  return window !== null && positionS < window.startS;
}

/** `1.4 s`, `12 s`, `2 min 5 s`, `1 h 2 min`: how far behind the broadcast the picture is. */
export function latencyText(latencyMs: number): string {
  const seconds = Math.max(0, latencyMs) / 1000;
  if (seconds < 10) {
    return `${seconds.toFixed(1)} s`;
  }
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes >= 60) {
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }
  return minutes < 1 ? `${whole} s` : `${minutes} min ${whole % 60} s`;
}

/** `1 viewer`, `12 viewers`, `1.2K viewers`; nothing for nobody. */
export function viewersText(count: number): string {
  if (count <= 0) {
    return "";
  }
  // Rounded down, so that 999,999 is not 1000K.
  const short = (unit: number, letter: string): string => {
    const tenths = Math.floor(count / (unit / 10));
    return `${tenths >= 100 || tenths % 10 === 0 ? Math.floor(tenths / 10) : tenths / 10}${letter}`;
  };
  const text = count >= 1e6 ? short(1e6, "M") : count >= 1000 ? short(1000, "K") : String(count);
  return `${text} ${count === 1 ? "viewer" : "viewers"}`;
}

/** `just now`, `12 min`, `2 h 5 min`: how long a broadcast has been on. */
export function onAirText(sinceMs: number, nowMs: number): string {
  const minutes = Math.floor((nowMs - sinceMs) / 60_000);
  if (minutes < 1) {
    return "just started";
  }
  const hours = Math.floor(minutes / 60);
  return hours < 1 ? `on air for ${minutes} min` : `on air for ${hours} h ${minutes % 60} min`;
}
