// Playing by the browser's own HLS player. It chooses the rung and mends the network by itself;
// what it cannot mend is loaded anew.

import { Recovery } from "./backoff.ts";
import type { Engine, EngineListener } from "./engine.ts";
import type { SeekWindow } from "./live.ts";
import { AUTOMATIC, type Level } from "./quality.ts";

const PLAYLIST_TYPE = "application/vnd.apple.mpegurl";
/** The browser does not say the playlist's hold-back: three segments of two seconds at most. */
const ASSUMED_HOLD_BACK_S = 3;

/** Safari's way to PROGRAM-DATE-TIME. */
interface DatedMedia extends HTMLVideoElement {
  getStartDate?(): Date;
}

export class NativeEngine implements Engine {
  readonly name = "native";
  readonly #video: DatedMedia;
  readonly #url: string;
  readonly #listener: EngineListener;
  readonly #recovery = new Recovery();
  #remedyTimer = 0;

  static isSupported(video: HTMLVideoElement): boolean {
    return video.canPlayType(PLAYLIST_TYPE) !== "";
  }

  constructor(video: HTMLVideoElement, url: string, listener: EngineListener) {
    this.#video = video;
    this.#url = url;
    this.#listener = listener;
    video.addEventListener("ended", this.#onEnded);
    video.addEventListener("error", this.#onError);
    video.addEventListener("timeupdate", this.#onProgress);
    video.addEventListener("resize", this.#onResize);
    video.src = url;
  }

  /** The one picture there is: the browser tells its size, not the ladder. */
  levels(): Level[] {
    return [];
  }

  playing(): number {
    return AUTOMATIC;
  }

  chosen(): number {
    return AUTOMATIC;
  }

  choose(_index: number): void {
    // The browser's own player takes no orders on quality.
  }

  seek(positionS: number): void {
    this.#video.currentTime = positionS;
  }

  window(): SeekWindow | null {
    const { seekable } = this.#video;
    if (seekable.length === 0) {
      return null;
    }
    return { startS: seekable.start(0), endS: seekable.end(seekable.length - 1) };
  }

  idealS(): number | null {
    const window = this.window();
    return window ? Math.max(window.startS, window.endS - ASSUMED_HOLD_BACK_S) : null;
  }

  pictureTimeMs(): number | null {
    const startMs = this.#video.getStartDate?.().getTime() ?? Number.NaN;
    return Number.isNaN(startMs) ? null : startMs + this.#video.currentTime * 1000;
  }

  behindEdgeMs(): null {
    return null;
  }

  targetLatencyMs(): number | null {
    return null;
  }

  bandwidthBps(): number | null {
    return null;
  }

  destroy(): void {
    window.clearTimeout(this.#remedyTimer);
    const video = this.#video;
    video.removeEventListener("ended", this.#onEnded);
    video.removeEventListener("error", this.#onError);
    video.removeEventListener("timeupdate", this.#onProgress);
    video.removeEventListener("resize", this.#onResize);
    video.removeAttribute("src");
    video.load();
  }

  readonly #onEnded = (): void => this.#listener.playedOut();

  readonly #onProgress = (): void => this.#recovery.progressed(performance.now());

  readonly #onResize = (): void => this.#listener.qualityChanged();

  readonly #onError = (): void => {
    this.#listener.failed("manifest", this.#video.error?.message ?? "unknown");
    const remedy = this.#recovery.failed("manifest", performance.now());
    window.clearTimeout(this.#remedyTimer);
    this.#remedyTimer = window.setTimeout(() => {
      this.#video.src = this.#url;
      void this.#video.play().catch(() => undefined);
    }, remedy.delayMs);
  };
}
