// The seek bar's arithmetic: from its left end, the earliest that can be played, to its right end,
// where a player at the live edge is. Pure; seconds of media time.

import { isAtEdge, type SeekWindow } from "./live.ts";

/** Less than this is not worth a bar. */
const REACH_MIN_S = 10;
/** The true minus sign, as wide as a digit. */
const MINUS = "\u2212";

/** What the bar spans. */
export interface Reach {
  startS: number;
  /** Where a player at the live edge is; the end where the broadcast is over. */
  liveS: number;
}

/** The bar's span, or null where there is nothing to seek in. */
export function reachOf(window: SeekWindow | null, idealS: number | null): Reach | null {
  if (window === null) {
    return null;
  }
  const liveS = Math.min(idealS ?? window.endS, window.endS);
  return liveS - window.startS >= REACH_MIN_S ? { startS: window.startS, liveS } : null;
}

/** How far behind the bar's right end a position is; 0 where a viewer would call it live. */
export function behindS(positionS: number, { liveS }: Reach): number {
  return isAtEdge(positionS, liveS) ? 0 : liveS - positionS;
}

/** The share of the bar on the left of a position, from 0 to 1. */
export function shareOf(positionS: number, reach: Reach): number {
  if (behindS(positionS, reach) === 0) {
    return 1;
  }
  return Math.max(0, (positionS - reach.startS) / (reach.liveS - reach.startS));
}

/** The position at a share of the bar. */
export function positionAt(share: number, { startS, liveS }: Reach): number {
  return startS + Math.min(1, Math.max(0, share)) * (liveS - startS);
}

/** `−0:42`, `−1:02:03`; `LIVE` at the right end. */
export function behindClock(seconds: number): string {
  if (seconds <= 0) {
    return "LIVE";
  }
  const { hours, minutes, rest } = split(seconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  return hours > 0 ? `${MINUS}${hours}:${two(minutes)}:${two(rest)}` : `${MINUS}${minutes}:${two(rest)}`;
}

/** `1 minute 5 seconds behind live`, for those who listen; `Live` at the right end. */
export function behindWords(seconds: number): string {
  if (seconds <= 0) {
    return "Live";
  }
  const { hours, minutes, rest } = split(seconds);
  const words = [counted(hours, "hour"), counted(minutes, "minute"), counted(rest, "second")];
  return `${words.filter((word) => word !== "").join(" ") || "0 seconds"} behind live`;
}

function split(seconds: number): { hours: number; minutes: number; rest: number } {
  const whole = Math.round(seconds);
  return { hours: Math.floor(whole / 3600), minutes: Math.floor(whole / 60) % 60, rest: whole % 60 };
}

function counted(count: number, noun: string): string {
  return count === 0 ? "" : `${count} ${noun}${count === 1 ? "" : "s"}`;
}
