// How fast to play, so that the picture comes to its place behind the live edge. hls.js can do that
// itself, but not with less than a second buffered, which is more than short parts leave to buffer.
// Pure.

/** Where the picture is, and what there is to play. All in seconds. */
export interface Standing {
  /** Behind the newest media. */
  behindS: number;
  /** How far behind it should be. */
  targetS: number;
  /** What is buffered ahead of the picture. */
  bufferedS: number;
  /** The length of a part; null where there are none. */
  partS: number | null;
  /** The playlist's target duration. */
  targetDurationS: number;
}

/** Nearer than this is there: the newest media is known to within some frames. */
const NEAR_S = 0.05;
/** Catching up must not use up what the next part's coming late needs: so many parts. */
const RESERVE_PARTS = 2;
/** The reserve where there are no parts. */
const RESERVE_S = 1;
/** How much faster for each second too far behind. */
const GAIN = 0.4;
/** Finer steps are not worth the change. */
const STEP = 0.05;
/** Speech is still understood well, with its pitch kept. */
const RATE_MAX = 1.5;

/** The playback rate, from 1 on. Whoever is further away than a target duration has rewound. */
export function playbackRate({ behindS, targetS, bufferedS, partS, targetDurationS }: Standing): number {
  const distanceS = behindS - targetS;
  const reserveS = partS === null ? RESERVE_S : RESERVE_PARTS * partS;
  if (distanceS <= NEAR_S || distanceS > targetDurationS || bufferedS <= reserveS) {
    return 1;
  }
  const steps = Math.max(1, Math.round((distanceS * GAIN) / STEP));
  return Math.min(RATE_MAX, 1 + steps * STEP);
}
