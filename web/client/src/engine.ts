// What the page needs of something that plays HLS in a video element. Two do: hls.js wherever
// Media Source Extensions are, the browser's own player elsewhere (older iPhones).

import type { Failure } from "./backoff.ts";
import type { SeekWindow } from "./live.ts";
import type { Level } from "./quality.ts";

/** What an engine reports while it lives. */
export interface EngineListener {
  /** The rungs, the chosen or the playing rung changed. */
  qualityChanged(): void;
  /** The last frame before `EXT-X-ENDLIST` was shown. */
  playedOut(): void;
  /** The server answered a request with 403. */
  refused(): void;
  /** Something failed that the engine could not mend without a remedy of ours. */
  failed(failure: Failure, details: string): void;
}

/** One playlist being played in one video element. */
export interface Engine {
  /** The name for statistics. */
  readonly name: "hls.js" | "native";
  /** The rungs of the ladder; empty where the browser chooses by itself. */
  levels(): Level[];
  /** The rung on the screen, -1 before the first frame. */
  playing(): number;
  /** The rung that the viewer chose, or `AUTOMATIC`. */
  chosen(): number;
  /** Plays `index` from now on, or chooses automatically for `AUTOMATIC`. */
  choose(index: number): void;
  /** Goes on playing at a position of the window. */
  seek(positionS: number): void;
  /** What can be played now. */
  window(): SeekWindow | null;
  /** Where a player at the live edge would be; null before it is known, or after the end. */
  idealS(): number | null;
  /** The playlist's wall-clock time of the picture, in milliseconds since the epoch. */
  pictureTimeMs(): number | null;
  /** How far the picture is behind the newest media that the server has, in milliseconds. */
  behindEdgeMs(): number | null;
  /** The distance from the live edge that the engine steers to, in milliseconds. */
  targetLatencyMs(): number | null;
  /** Measured throughput. */
  bandwidthBps(): number | null;
  /** Lets go of the video element. */
  destroy(): void;
}
