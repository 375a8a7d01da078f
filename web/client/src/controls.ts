// The bar over the picture, its keys, and when it hides. It draws what the player says and tells the
// player what the viewer wants; it keeps no state of the playback.

import { byId, flag } from "./dom.ts";
import { type Command, commandOf, type Focus } from "./keys.ts";
import { latencyText } from "./live.ts";
import { QualityMenu } from "./menu.ts";
import type { Player } from "./player.ts";
import { AUTOMATIC, choices } from "./quality.ts";
import { SeekBar } from "./seek-bar.ts";

const HIDE_AFTER_MS = 3000;
const SEEK_S = 5;
const VOLUME_STEP = 0.05;

/** Safari on the iPhone knows full screen for the video alone. */
interface PhoneVideo extends HTMLVideoElement {
  webkitEnterFullscreen?(): void;
}

export class Controls {
  readonly #player: Player;
  readonly #video: PhoneVideo;
  readonly #stage = byId("stage", HTMLElement);
  readonly #bar = byId("controls", HTMLElement);
  readonly #play = byId("play", HTMLButtonElement);
  readonly #mute = byId("mute", HTMLButtonElement);
  readonly #volume = byId("volume", HTMLInputElement);
  readonly #live = byId("live", HTMLButtonElement);
  readonly #liveLabel = byId("live-label", HTMLElement);
  readonly #latencyBox = byId("latency-box", HTMLElement);
  readonly #latency = byId("latency", HTMLElement);
  readonly #pip = byId("pip", HTMLButtonElement);
  readonly #fullscreen = byId("fullscreen", HTMLButtonElement);
  readonly #menu: QualityMenu;
  readonly #seekBar: SeekBar;
  #hideTimer = 0;

  constructor(player: Player, video: HTMLVideoElement) {
    this.#player = player;
    this.#video = video;
    this.#menu = new QualityMenu((index) => player.engine?.choose(index));
    this.#seekBar = new SeekBar(player, video);
    this.#bindButtons();
    this.#bindIdle();
    document.addEventListener("keydown", (event) => this.#onKey(event));
    document.addEventListener("fullscreenchange", () => this.draw());
    this.#pip.hidden = !document.pictureInPictureEnabled;
    label(this.#pip, "Picture in picture", "I");
    this.draw();
  }

  /** Draws everything that is not measured. */
  draw(): void {
    const { paused, volume } = this.#video;
    const muted = this.#video.muted || volume === 0;
    const full = document.fullscreenElement !== null;
    flag("paused", paused ? "" : null);
    flag("muted", muted ? "" : null);
    flag("full", full ? "" : null);
    flag("waiting", this.#player.isWaiting ? "" : null);
    flag("unmute-hint", this.#player.isMutedByBrowser ? "" : null);
    label(this.#play, paused ? "Play" : "Pause", "K");
    label(this.#mute, muted ? "Unmute" : "Mute", "M");
    label(this.#fullscreen, full ? "Leave full screen" : "Full screen", "F");
    this.#volume.value = String(muted ? 0 : Math.round(volume * 100));
    const engine = this.#player.engine;
    const playing = engine?.playing() ?? AUTOMATIC;
    this.#menu.show(choices(engine?.levels() ?? [], playing), engine?.chosen() ?? AUTOMATIC);
  }

  /** Draws how far behind the broadcast the picture is; null where that is not known. */
  drawLive(latencyMs: number | null): void {
    const liveness = this.#player.liveness();
    flag("live", liveness);
    const atEdge = liveness === "edge";
    this.#liveLabel.textContent = atEdge ? "LIVE" : "GO LIVE";
    label(this.#live, atEdge ? "Watching live" : "Jump to live", "L");
    this.#latencyBox.hidden = latencyMs === null;
    this.#latency.textContent = latencyMs === null ? "" : latencyText(latencyMs);
    this.#seekBar.draw();
  }

  #bindButtons(): void {
    const player = this.#player;
    this.#play.addEventListener("click", () => player.togglePlay());
    byId("start", HTMLButtonElement).addEventListener("click", () => player.togglePlay());
    this.#mute.addEventListener("click", () => player.toggleMute());
    byId("unmute", HTMLButtonElement).addEventListener("click", () => player.toggleMute());
    this.#volume.addEventListener("input", () => player.setVolume(Number(this.#volume.value) / 100));
    this.#live.addEventListener("click", () => player.goLive());
    this.#fullscreen.addEventListener("click", () => this.#toggleFullscreen());
    this.#pip.addEventListener("click", () => this.#togglePictureInPicture());
    this.#video.addEventListener("click", (event) => {
      // A finger wakes the bar; a mouse, which woke it by coming, pauses.
      if (!(event instanceof PointerEvent && event.pointerType === "touch")) {
        player.togglePlay();
      }
    });
    this.#video.addEventListener("dblclick", () => this.#toggleFullscreen());
  }

  #bindIdle(): void {
    this.#stage.addEventListener("pointermove", (event) => {
      if (event.pointerType !== "touch") {
        this.#wake();
      }
    });
    this.#stage.addEventListener("pointerup", (event) => {
      const onPicture = event.target === this.#video;
      if (event.pointerType === "touch" && onPicture && !document.body.hasAttribute("data-idle")) {
        this.#sleep();
      } else {
        this.#wake();
      }
    });
    this.#stage.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") {
        this.#sleep();
      }
    });
    this.#stage.addEventListener("focusin", () => this.#wake());
    this.#wake();
  }

  #wake(): void {
    flag("idle", null);
    window.clearTimeout(this.#hideTimer);
    this.#hideTimer = window.setTimeout(() => this.#sleep(), HIDE_AFTER_MS);
  }

  /** Hides the bar, unless it is being used. */
  #sleep(): void {
    const keyboardInside = this.#bar.querySelector(":focus-visible") !== null;
    if (this.#menu.isOpen || this.#seekBar.isDragged || keyboardInside || this.#bar.matches(":hover")) {
      this.#wake();
    } else {
      flag("idle", "");
    }
  }

  #onKey(event: KeyboardEvent): void {
    const command = commandOf(event, focusOf(event.target));
    if (command === null || this.#player.engine === null) {
      return;
    }
    event.preventDefault();
    this.#wake();
    this.#obey(command);
  }

  #obey(command: Command): void {
    switch (command) {
      case "toggle-play":
        return this.#player.togglePlay();
      case "toggle-mute":
        return this.#player.toggleMute();
      case "toggle-fullscreen":
        return this.#toggleFullscreen();
      case "toggle-picture-in-picture":
        return this.#togglePictureInPicture();
      case "seek-back":
        return this.#player.seekBy(-SEEK_S);
      case "seek-forward":
        return this.#player.seekBy(SEEK_S);
      case "seek-to-start":
        return this.#player.seekToStart();
      case "volume-up":
        return this.#player.setVolume(this.#audible() + VOLUME_STEP);
      case "volume-down":
        return this.#player.setVolume(this.#audible() - VOLUME_STEP);
      case "go-live":
        return this.#player.goLive();
    }
  }

  #audible(): number {
    return this.#video.muted ? 0 : this.#video.volume;
  }

  /** Refused without a gesture, or by a frame's policy: nothing to tell the viewer then. */
  #toggleFullscreen(): void {
    if (document.fullscreenElement !== null) {
      void document.exitFullscreen();
    } else if (document.fullscreenEnabled) {
      void this.#stage.requestFullscreen().catch(() => undefined);
    } else {
      this.#video.webkitEnterFullscreen?.();
    }
  }

  #togglePictureInPicture(): void {
    if (document.pictureInPictureElement !== null) {
      void document.exitPictureInPicture();
    } else if (document.pictureInPictureEnabled) {
      void this.#video.requestPictureInPicture().catch(() => undefined);
    }
  }
}

function label(button: HTMLButtonElement, text: string, key: string): void {
  if (button.ariaLabel !== text) {
    button.ariaLabel = text;
    button.dataset["tip"] = `${text} (${key})`;
  }
}

function focusOf(target: EventTarget | null): Focus {
  if (!(target instanceof HTMLElement)) {
    return "page";
  }
  if (target.closest('[role="menu"]')) {
    return "menu";
  }
  if (target instanceof HTMLInputElement) {
    return target.type === "range" ? "slider" : "text";
  }
  return target.closest("button, summary, a") ? "button" : "page";
}
