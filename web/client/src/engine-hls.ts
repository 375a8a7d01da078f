// Playing by hls.js in low-latency mode. What it mends by itself it mends; every fatal error gets a
// remedy from `backoff.ts`, so that playback goes on as soon as the server lets it.

import Hls, { ErrorDetails, ErrorTypes, Events } from "hls.js";
import type { ErrorData, HlsConfig, LoaderConfig, RetryConfig } from "hls.js";
import workerPath from "hls.js/dist/hls.worker.js";
import { type Failure, Recovery, type Remedy } from "./backoff.ts";
import { playbackRate } from "./catch-up.ts";
import type { Engine, EngineListener } from "./engine.ts";
import { HoldBack, STEP_S } from "./hold-back.ts";
import type { SeekWindow } from "./live.ts";
import { AUTOMATIC, type Level } from "./quality.ts";
import { segmentAbr } from "./segment-abr.ts";

/** Rewinding stays possible for this long without loading anew; memory stays bounded. */
const BACK_BUFFER_S = 30;
/** How often the picture is checked for standing still. */
const WATCH_EVERY_MS = 1000;
/** A picture that stands although media is buffered: the decoder needs a push. */
const FROZEN_AFTER_MS = 6000;
/** A picture that stands for want of media: requests may hang that nobody will answer. */
const STARVED_AFTER_MS = 15_000;
/** Media ahead of the playhead that counts as something to play. */
const BUFFERED_ENOUGH_S = 0.5;
/** With so many target durations ahead, what is buffered is given up for the rendition that was chosen. */
const FAR_AHEAD_TARGETS = 2;
/** Where the playlist slides, its first segments count as gone: so many target durations. */
const LEAVING_TARGETS = 2;
/** HTTP's status for what the token does not open. */
const FORBIDDEN = 403;
/** The last samples of audio and video never end together. */
const END_TOLERANCE_S = 0.5;

/**
 * A server that restarts answers with nothing at all (status 0), or with 404 until its first
 * segment is there: hls.js would not ask again for either.
 */
const shouldRetry: NonNullable<RetryConfig["shouldRetry"]> = (config, count, _timeout, response, retry) => {
  const gone = response?.code === 0 || response?.code === 404;
  return retry || (gone && config !== null && config !== undefined && count < config.maxNumRetry);
};

const playlistLoading: LoaderConfig = {
  // A blocking reload is held for up to three target durations before the server gives up.
  maxTimeToFirstByteMs: 15_000,
  maxLoadTimeMs: 20_000,
  timeoutRetry: { maxNumRetry: 2, retryDelayMs: 0, maxRetryDelayMs: 0 },
  errorRetry: { maxNumRetry: 6, retryDelayMs: 250, maxRetryDelayMs: 2000, shouldRetry },
};

const config: Partial<HlsConfig> = {
  workerPath,
  lowLatencyMode: true,
  // The server's PART-HOLD-BACK is the target; `catch-up.ts` sees to it.
  maxLiveSyncPlaybackRate: 1,
  // The default is a second, for the rest of the broadcast.
  liveSyncOnStallIncrease: STEP_S,
  backBufferLength: BACK_BUFFER_S,
  // A rung that failed once is tried again; otherwise a short outage leaves the lowest for ever.
  errorPenaltyExpireMs: 10_000,
  preserveManualLevelOnError: true,
  playlistLoadPolicy: { default: playlistLoading },
  manifestLoadPolicy: { default: playlistLoading },
};

export class HlsEngine implements Engine {
  readonly name = "hls.js";
  readonly #video: HTMLVideoElement;
  readonly #url: string;
  readonly #listener: EngineListener;
  readonly #recovery = new Recovery();
  readonly #holdBack = new HoldBack(performance.now());
  readonly #watch: number;
  #hls: Hls;
  #remedyTimer = 0;
  #chosenName: string | null = null;
  /** The rendition that the viewer chose. */
  #wanted: number | null = null;
  #lastPositionS = -1;
  #movedAtMs = performance.now();
  #ended = false;
  /** The media sequence number of the first playlist. */
  #firstSequence: number | null = null;

  static isSupported(): boolean {
    return Hls.isSupported();
  }

  constructor(video: HTMLVideoElement, url: string, listener: EngineListener, debug: boolean) {
    this.#video = video;
    this.#url = url;
    this.#listener = listener;
    config.debug = debug;
    this.#hls = this.#build();
    this.#watch = window.setInterval(() => this.#checkProgress(), WATCH_EVERY_MS);
    video.addEventListener("ended", this.#onEnded);
    video.addEventListener("timeupdate", this.#onTimeUpdate);
  }

  levels(): Level[] {
    return this.#hls.levels.map((level, index) => ({
      index,
      width: level.width,
      height: level.height,
      frameRate: level.frameRate,
      bitrateBps: level.averageBitrate || level.bitrate,
    }));
  }

  playing(): number {
    return this.#hls.currentLevel;
  }

  chosen(): number {
    return this.#wanted ?? AUTOMATIC;
  }

  choose(index: number): void {
    this.#chosenName = this.#hls.levels[index]?.url[0] ?? null;
    this.#wanted = index === AUTOMATIC ? null : index;
    const targetDurationS = this.#hls.latestLevelDetails?.targetduration ?? 0;
    if (this.#bufferedAheadS() > FAR_AHEAD_TARGETS * targetDurationS) {
      // hls.js gives up what is buffered from the segment after the next one on.
      this.#hls.nextLevel = index;
    } else {
      // From the next segment on: what is buffered is played, so nothing stalls.
      this.#hls.loadLevel = index === this.#hls.loadLevel ? index : AUTOMATIC;
    }
    this.#listener.qualityChanged();
  }

  /**
   * Where the position is not buffered together with the picture, all that is buffered goes. A buffer
   * that was left at the live edge ends within a segment. When the viewer comes back, hls.js would go
   * on with the part after that, without a keyframe, which the browser drops after media from
   * elsewhere: the picture would stand until the next segment, and then be too near to the edge.
   */
  seek(positionS: number): void {
    if (!this.#isBufferedThrough(positionS)) {
      this.#hls.trigger(Events.BUFFER_FLUSHING, { startOffset: 0, endOffset: Number.POSITIVE_INFINITY, type: null });
    }
    this.#video.currentTime = positionS;
  }

  window(): SeekWindow | null {
    const details = this.#hls.latestLevelDetails;
    if (!details) {
      return null;
    }
    // Once segments leave the playlist the first ones would be gone before they are loaded, and
    // hls.js goes to the live edge where it finds nothing to play.
    this.#firstSequence ??= details.startSN;
    const leaving = details.live && details.startSN > this.#firstSequence;
    const startS = details.fragmentStart + (leaving ? LEAVING_TARGETS * details.targetduration : 0);
    return { startS: Math.min(startS, details.edge), endS: details.edge };
  }

  idealS(): number | null {
    const { latestLevelDetails: details, liveSyncPosition, targetLatency } = this.#hls;
    if (!details?.live || liveSyncPosition === null) {
      return null;
    }
    // hls.js guesses how far the edge has moved since the playlist came. A jump to its guess may land
    // on what is not listed yet; what is listed can be played, and the rest is caught up with.
    return Math.min(liveSyncPosition, details.edge - (targetLatency ?? 0));
  }

  pictureTimeMs(): number | null {
    return this.#hls.playingDate?.getTime() ?? null;
  }

  behindEdgeMs(): number | null {
    return this.#hls.latestLevelDetails ? this.#hls.latency * 1000 : null;
  }

  targetLatencyMs(): number | null {
    const seconds = this.#hls.targetLatency;
    return seconds === null ? null : Math.round(seconds * 1000);
  }

  bandwidthBps(): number | null {
    const estimate = this.#hls.bandwidthEstimate;
    return Number.isFinite(estimate) ? Math.round(estimate) : null;
  }

  destroy(): void {
    window.clearInterval(this.#watch);
    window.clearTimeout(this.#remedyTimer);
    this.#video.removeEventListener("ended", this.#onEnded);
    this.#video.removeEventListener("timeupdate", this.#onTimeUpdate);
    this.#hls.destroy();
  }

  #build(): Hls {
    const hls = new Hls({ ...config, abrController: segmentAbr(() => this.#wanted) });
    const qualityChanged = (): void => this.#listener.qualityChanged();
    hls.on(Events.MANIFEST_PARSED, () => this.#restoreChoice());
    hls.on(Events.LEVELS_UPDATED, qualityChanged);
    hls.on(Events.LEVEL_SWITCHED, qualityChanged);
    hls.on(Events.LEVEL_SWITCHING, (_event, { level }) => this.#keepChoice(hls, level));
    hls.on(Events.ERROR, (_event, data) => this.#onError(data));
    hls.attachMedia(this.#video);
    hls.loadSource(this.#url);
    return hls;
  }

  /** A playlist loaded anew lists the same rungs, perhaps in another order. */
  #restoreChoice(): void {
    const index = this.#hls.levels.findIndex((level) => level.url[0] === this.#chosenName);
    this.#wanted = index >= 0 ? index : null;
    if (index >= 0) {
      this.#hls.currentLevel = index;
    }
    this.#listener.qualityChanged();
  }

  /**
   * What was chosen is hls.js's manual level from when it is loaded. While hls.js chooses by itself it
   * gives up requests that take long for a lower level, and would ask for the same part again for ever.
   */
  #keepChoice(hls: Hls, level: number): void {
    if (level === this.#wanted) {
      hls.loadLevel = level;
    }
  }

  #onError(data: ErrorData): void {
    if (data.response?.code === FORBIDDEN) {
      this.#listener.refused();
    }
    if (data.details === ErrorDetails.BUFFER_STALLED_ERROR) {
      this.#holdBack.stalled(performance.now());
    }
    if (!data.fatal) {
      return;
    }
    this.#fail(failureOf(data), data.details);
  }

  #fail(failure: Failure, details: string): void {
    this.#listener.failed(failure, details);
    const remedy = this.#recovery.failed(failure, performance.now());
    window.clearTimeout(this.#remedyTimer);
    this.#remedyTimer = window.setTimeout(() => this.#apply(remedy), remedy.delayMs);
  }

  #apply(remedy: Remedy): void {
    switch (remedy.kind) {
      case "reload":
        this.#hls.loadSource(this.#url);
        break;
      case "resume":
        this.#hls.startLoad();
        break;
      case "recover-media":
        this.#hls.recoverMediaError();
        // A fatal error has stopped loading.
        this.#hls.startLoad(this.#video.currentTime || -1);
        break;
      case "rebuild":
        this.#hls.destroy();
        this.#hls = this.#build();
        break;
    }
    this.#movedAtMs = performance.now();
  }

  #checkProgress(): void {
    const nowMs = performance.now();
    const positionS = this.#video.currentTime;
    if (this.#video.paused || this.#ended || positionS !== this.#lastPositionS) {
      if (positionS !== this.#lastPositionS) {
        this.#recovery.progressed(nowMs);
        this.#easeHoldBack(nowMs);
      }
      this.#lastPositionS = positionS;
      this.#movedAtMs = nowMs;
      return;
    }
    const stoodForMs = nowMs - this.#movedAtMs;
    if (this.#isAtEnd()) {
      this.#onEnded();
    } else if (this.#bufferedAheadS() > BUFFERED_ENOUGH_S && stoodForMs > FROZEN_AFTER_MS) {
      this.#fail("media", "frozen");
    } else if (stoodForMs > STARVED_AFTER_MS) {
      this.#fail(this.#hls.levels.length > 0 ? "network" : "manifest", "starved");
    }
  }

  #easeHoldBack(nowMs: number): void {
    const leastS = this.#hls.latestLevelDetails?.partHoldBack ?? 0;
    const targetS = this.#hls.targetLatency;
    const nextS = leastS > 0 && targetS !== null ? this.#holdBack.next(targetS, leastS, nowMs) : null;
    if (nextS !== null) {
      this.#hls.targetLatency = nextS;
    }
  }

  /** The playlist has ended and all of it was shown, though the element did not say so. */
  #isAtEnd(): boolean {
    const details = this.#hls.latestLevelDetails;
    return details?.live === false && this.#video.currentTime >= details.edge - END_TOLERANCE_S;
  }

  /** Whether one buffered range has both the picture and the position. */
  #isBufferedThrough(positionS: number): boolean {
    const { buffered, currentTime } = this.#video;
    const [fromS, untilS] = [Math.min(positionS, currentTime), Math.max(positionS, currentTime)];
    for (let range = 0; range < buffered.length; range += 1) {
      if (buffered.start(range) <= fromS && untilS < buffered.end(range)) {
        return true;
      }
    }
    return false;
  }

  #bufferedAheadS(): number {
    const { buffered, currentTime } = this.#video;
    for (let range = 0; range < buffered.length; range += 1) {
      if (buffered.start(range) <= currentTime && currentTime < buffered.end(range)) {
        return buffered.end(range) - currentTime;
      }
    }
    return 0;
  }

  readonly #onTimeUpdate = (): void => {
    const { latestLevelDetails: details, latency, targetLatency } = this.#hls;
    const rate =
      details?.live && targetLatency !== null
        ? playbackRate({
            behindS: latency,
            targetS: targetLatency,
            bufferedS: this.#bufferedAheadS(),
            partS: details.partTarget || null,
            targetDurationS: details.targetduration,
          })
        : 1;
    if (this.#video.playbackRate !== rate) {
      this.#video.playbackRate = rate;
    }
  };

  readonly #onEnded = (): void => {
    if (!this.#ended) {
      this.#ended = true;
      this.#listener.playedOut();
    }
  };
}

function failureOf(data: ErrorData): Failure {
  switch (data.details) {
    case ErrorDetails.MANIFEST_LOAD_ERROR:
    case ErrorDetails.MANIFEST_LOAD_TIMEOUT:
    case ErrorDetails.MANIFEST_PARSING_ERROR:
    case ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR:
      return "manifest";
    default:
      break;
  }
  switch (data.type) {
    case ErrorTypes.NETWORK_ERROR:
      return "network";
    case ErrorTypes.MEDIA_ERROR:
      return "media";
    default:
      return "other";
  }
}
