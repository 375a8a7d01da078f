// Where a player may change to another rendition: where the buffer ends with a segment. Pure.
//
// Parts in the middle of a segment have no keyframe. A rendition taken up there begins with its
// segment's first part, which is behind the picture; the browser plays to the end of what it had of
// the old one, and stands until the next keyframe: a hole of up to a segment, which nobody counts as
// a stall, since the sound goes on.

/** Nearer than this to a segment's end there is no picture between: less than two frames at 30 a second. */
const NEAR_S = 0.05;
/** With less than this ahead the picture stands anyway: whatever comes soonest is right. */
const EMPTY_S = 0.1;

/** What is buffered ahead of the picture, in seconds of media. */
export interface Ahead {
  endS: number;
  lenS: number;
}

/** Whether what is loaded next may be another rendition's, where segments end at `endsS`. */
export function maySwitch(ahead: Ahead | null, endsS: readonly number[]): boolean {
  return ahead === null || ahead.lenS < EMPTY_S || endsS.some((endS) => Math.abs(endS - ahead.endS) < NEAR_S);
}
