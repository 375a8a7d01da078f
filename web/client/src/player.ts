// The video element with an engine in it: loading and dropping playlists, starting with sound where
// the browser allows it, counting what goes wrong, and moving about in the live window.

import type { Failure } from "./backoff.ts";
import { HlsEngine } from "./engine-hls.ts";
import { NativeEngine } from "./engine-native.ts";
import type { Engine, EngineListener } from "./engine.ts";
import { hasFallenOut, isAtEdge, mustJump, seekTarget } from "./live.ts";
import { loadSound, saveSound } from "./preferences.ts";

/** What the page wants to hear of. */
export interface PlayerListener {
  /** The first picture of a playlist moves. */
  started(): void;
  playedOut(): void;
  /** The server refuses what the player asks for. */
  refused(): void;
  /** Something that the controls show has changed. */
  changed(): void;
}

/** Counted since the page was opened. */
export interface Counters {
  stalls: number;
  stalledMs: number;
  /** Returns to the live edge after a stall that had left the picture far behind. */
  jumps: number;
  /** From loading the playlist to the first moving picture. */
  startupMs: number | null;
  broadcasts: number;
  failures: Record<Failure, number>;
  lastFailure: string | null;
}

/** Whether the browser let the video start, and how. */
type Start = "pending" | "with-sound" | "muted-by-browser" | "refused";

export class Player {
  readonly counters: Counters = {
    stalls: 0,
    stalledMs: 0,
    jumps: 0,
    startupMs: null,
    broadcasts: 0,
    failures: { manifest: 0, network: 0, media: 0, other: 0 },
    lastFailure: null,
  };
  readonly #video: HTMLVideoElement;
  readonly #listener: PlayerListener;
  readonly #debug: boolean;
  #engine: Engine | null = null;
  #canRewind = false;
  #start: Start = "pending";
  #pausedByViewer = false;
  /** Whether the viewer went back, or paused: then nothing but the viewer leads to the edge. */
  #isBehindByChoice = false;
  #jumpedAtMs = Number.NEGATIVE_INFINITY;
  #loadedAtMs = 0;
  #stalledAtMs: number | null = null;
  #positionS = 0;
  #hasStarted = false;
  #movedAtMs = 0;

  constructor(video: HTMLVideoElement, listener: PlayerListener, debug: boolean) {
    this.#video = video;
    this.#listener = listener;
    this.#debug = debug;
    const sound = loadSound();
    video.volume = sound.volume;
    video.muted = sound.muted;
    const changed = (): void => listener.changed();
    for (const event of ["play", "pause", "volumechange", "seeking", "seeked", "ratechange"]) {
      video.addEventListener(event, changed);
    }
    video.addEventListener("pause", () => (this.#isBehindByChoice = true));
    video.addEventListener("loadedmetadata", () => void this.#begin());
    video.addEventListener("playing", () => this.#onPlaying());
    video.addEventListener("waiting", () => this.#onWaiting());
    video.addEventListener("timeupdate", () => this.#onTimeUpdate());
  }

  /** The engine of the playlist that is loaded. */
  get engine(): Engine | null {
    return this.#engine;
  }

  /** Whether the playlist reaches back as far as the broadcast can be rewound. */
  get canRewind(): boolean {
    return this.#canRewind;
  }

  /** Whether the picture is about to come, for want of media or after a seek. */
  get isWaiting(): boolean {
    return this.isStalled || this.#video.seeking;
  }

  /** Whether the picture stands for want of media. */
  get isStalled(): boolean {
    return this.#stalledAtMs !== null;
  }

  /** Whether the sound is off only because the browser asked for it. */
  get isMutedByBrowser(): boolean {
    return this.#start === "muted-by-browser" && this.#video.muted;
  }

  /** How long the picture has not moved although it should, in milliseconds. */
  get standingForMs(): number {
    return this.#video.paused ? 0 : performance.now() - this.#movedAtMs;
  }

  /** Whether this browser can play at all. */
  static isSupported(video: HTMLVideoElement): boolean {
    return HlsEngine.isSupported() || NativeEngine.isSupported(video);
  }

  load(url: string, canRewind: boolean): void {
    this.unload();
    this.#canRewind = canRewind;
    this.#loadedAtMs = performance.now();
    this.#movedAtMs = this.#loadedAtMs;
    this.counters.broadcasts += 1;
    const listener: EngineListener = {
      qualityChanged: () => this.#listener.changed(),
      playedOut: () => this.#listener.playedOut(),
      refused: () => this.#listener.refused(),
      failed: (failure, details) => {
        this.counters.failures[failure] += 1;
        this.counters.lastFailure = details;
      },
    };
    this.#engine = HlsEngine.isSupported()
      ? new HlsEngine(this.#video, url, listener, this.#debug)
      : new NativeEngine(this.#video, url, listener);
  }

  unload(): void {
    this.#engine?.destroy();
    this.#engine = null;
    this.#hasStarted = false;
    this.#pausedByViewer = false;
    this.#isBehindByChoice = false;
    this.#settleStall();
  }

  togglePlay(): void {
    if (this.#engine === null) {
      return;
    }
    if (!this.#video.paused) {
      this.#pausedByViewer = true;
      this.#video.pause();
      return;
    }
    this.#pausedByViewer = false;
    this.#movedAtMs = performance.now();
    if (hasFallenOut(this.#video.currentTime, this.#engine.window())) {
      this.goLive();
    }
    void this.#begin();
  }

  toggleMute(): void {
    const unmute = this.#video.muted || this.#video.volume === 0;
    this.#video.muted = !unmute;
    if (unmute && this.#video.volume === 0) {
      this.#video.volume = 0.5;
    }
    this.#soundChosen();
  }

  /** Sets the volume from 0 to 1. */
  setVolume(volume: number): void {
    this.#video.volume = Math.min(1, Math.max(0, volume));
    this.#video.muted = this.#video.volume === 0;
    this.#soundChosen();
  }

  seekBy(deltaS: number): void {
    this.seekTo(this.#video.currentTime + deltaS);
  }

  /** Seeks to a position, or as near to it as the broadcast reaches. */
  seekTo(positionS: number): void {
    if (this.#engine !== null) {
      const { currentTime } = this.#video;
      const deltaS = positionS - currentTime;
      const target = seekTarget(currentTime, deltaS, this.#engine.window(), this.#engine.idealS());
      this.#isBehindByChoice ||= deltaS < 0;
      this.#engine.seek(target);
    }
  }

  /** Seeks to the earliest that can be played. */
  seekToStart(): void {
    this.seekTo(Number.NEGATIVE_INFINITY);
  }

  goLive(): void {
    const idealS = this.#engine?.idealS() ?? null;
    this.#isBehindByChoice = false;
    if (idealS !== null) {
      this.#engine?.seek(idealS);
    }
    if (this.#video.paused) {
      this.#pausedByViewer = false;
      void this.#begin();
    }
  }

  /**
   * Leads back to the live edge after a stall, unless the viewer chose to be behind. To be called
   * a few times a second.
   */
  keepLive(): void {
    const idealS = this.#engine?.idealS() ?? null;
    const { currentTime, paused, seeking } = this.#video;
    if (idealS === null || !this.#hasStarted || paused || seeking || this.isStalled) {
      return;
    }
    if (isAtEdge(currentTime, idealS)) {
      this.#isBehindByChoice = false;
    } else if (!this.#isBehindByChoice && mustJump(currentTime, idealS, performance.now() - this.#jumpedAtMs)) {
      this.#jumpedAtMs = performance.now();
      this.counters.jumps += 1;
      this.goLive();
    }
  }

  /** `over` once the playlist has ended: what is left is played, but there is no edge. */
  liveness(): "edge" | "behind" | "over" {
    const idealS = this.#engine?.idealS() ?? null;
    if (idealS === null) {
      return "over";
    }
    // The edge moves on while the picture stands, but a player that hears nothing cannot see it.
    const moves = !this.#video.paused && !this.isStalled;
    return moves && isAtEdge(this.#video.currentTime, idealS) ? "edge" : "behind";
  }

  /** Seconds of media ahead of the picture. */
  bufferedAheadS(): number {
    const { buffered, currentTime } = this.#video;
    for (let range = 0; range < buffered.length; range += 1) {
      if (buffered.start(range) <= currentTime + 0.1 && currentTime < buffered.end(range)) {
        return buffered.end(range) - currentTime;
      }
    }
    return 0;
  }

  /** Starts with sound; without it where the browser allows only that. */
  async #begin(): Promise<void> {
    if (this.#pausedByViewer) {
      return;
    }
    if (await this.#tryPlay()) {
      this.#start = this.#start === "pending" ? "with-sound" : this.#start;
      return;
    }
    if (!this.#video.muted) {
      this.#video.muted = true;
      this.#start = "muted-by-browser";
      if (await this.#tryPlay()) {
        return;
      }
    }
    this.#start = "refused";
    // The first picture is there, with a button on it.
    this.#markStarted();
  }

  /** False only where the browser refuses; a start that a new load overtakes will come again. */
  async #tryPlay(): Promise<boolean> {
    try {
      await this.#video.play();
      return true;
    } catch (error) {
      return !(error instanceof DOMException && error.name === "NotAllowedError");
    }
  }

  #soundChosen(): void {
    this.#start = "with-sound";
    saveSound({ volume: this.#video.volume, muted: this.#video.muted });
    // At once: the `volumechange` event may come a frame later.
    this.#listener.changed();
  }

  #markStarted(): void {
    if (!this.#hasStarted && this.#engine !== null) {
      this.#hasStarted = true;
      this.counters.startupMs = Math.round(performance.now() - this.#loadedAtMs);
      this.#listener.started();
    }
  }

  #onTimeUpdate(): void {
    const { currentTime } = this.#video;
    if (currentTime === this.#positionS || this.#video.seeking) {
      return;
    }
    this.#positionS = currentTime;
    this.#movedAtMs = performance.now();
    // A jump over what was missing may end a stall without a `playing` event.
    if (this.#video.readyState > HTMLMediaElement.HAVE_CURRENT_DATA && this.#stalledAtMs !== null) {
      this.#settleStall();
      this.#listener.changed();
    }
  }

  #onPlaying(): void {
    this.#movedAtMs = performance.now();
    this.#settleStall();
    this.#markStarted();
    this.#listener.changed();
  }

  /** Counts a pause of the picture that nobody asked for. */
  #onWaiting(): void {
    const asked = this.#video.seeking || this.#video.paused || !this.#hasStarted;
    const atEnd = this.#engine?.idealS() === null && this.bufferedAheadS() < 0.5;
    if (asked || atEnd || this.#stalledAtMs !== null) {
      return;
    }
    this.#stalledAtMs = performance.now();
    this.counters.stalls += 1;
    this.#listener.changed();
  }

  #settleStall(): void {
    if (this.#stalledAtMs !== null) {
      this.counters.stalledMs += Math.round(performance.now() - this.#stalledAtMs);
      this.#stalledAtMs = null;
    }
  }
}
