// The bar that rewinds (WAI-ARIA slider pattern). A mouse or a finger moves a preview and seeks when
// it lets go; it is drawn again a few times a second, since live moves on.

import { byId, flag } from "./dom.ts";
import type { Player } from "./player.ts";
import { behindClock, behindS, behindWords, positionAt, type Reach, reachOf, shareOf } from "./timeline.ts";

/** So near its right end, in CSS pixels, the bar means live: of two hours a pixel is ten seconds. */
const LIVE_SNAP_PX = 8;
/** Page Up and Page Down. */
const LEAP_S = 60;

export class SeekBar {
  readonly #player: Player;
  readonly #video: HTMLVideoElement;
  readonly #bar = byId("seek", HTMLElement);
  readonly #tip = byId("seek-tip", HTMLElement);
  #reach: Reach | null = null;
  /** Where the mouse or the finger is, as a share of the bar. */
  #pointedShare: number | null = null;
  #isDragged = false;

  constructor(player: Player, video: HTMLVideoElement) {
    this.#player = player;
    this.#video = video;
    this.#bar.addEventListener("pointerdown", (event) => this.#onDown(event));
    this.#bar.addEventListener("pointermove", (event) => this.#point(this.#shareAt(event)));
    this.#bar.addEventListener("pointerup", () => this.#onUp());
    this.#bar.addEventListener("pointercancel", () => this.#drop());
    this.#bar.addEventListener("pointerleave", () => this.#isDragged || this.#point(null));
    this.#bar.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** Whether somebody holds it. */
  get isDragged(): boolean {
    return this.#isDragged;
  }

  /** Draws the reach and the position; hidden where the broadcast cannot be rewound. */
  draw(): void {
    const { engine, canRewind } = this.#player;
    const reach = engine && canRewind ? reachOf(engine.window(), engine.idealS()) : null;
    this.#reach = reach;
    this.#bar.hidden = reach === null;
    if (reach === null) {
      this.#drop();
      flag("reach-s", null);
      return;
    }
    const reachS = Math.round(reach.liveS - reach.startS);
    const positionS = this.#isDragged ? positionAt(this.#pointedShare ?? 1, reach) : this.#video.currentTime;
    const behind = Math.round(behindS(positionS, reach));
    flag("reach-s", String(reachS));
    this.#bar.style.setProperty("--played", shareOf(positionS, reach).toFixed(5));
    this.#say("aria-valuemin", String(-reachS));
    this.#say("aria-valuenow", String(-Math.min(behind, reachS)));
    this.#say("aria-valuetext", behindWords(behind));
    this.#drawTip();
  }

  #drawTip(): void {
    const [reach, share] = [this.#reach, this.#pointedShare];
    this.#tip.hidden = reach === null || share === null;
    if (reach !== null && share !== null) {
      this.#bar.style.setProperty("--pointed", share.toFixed(5));
      this.#tip.textContent = behindClock(behindS(positionAt(share, reach), reach));
    }
  }

  #onDown(event: PointerEvent): void {
    if (event.button !== 0) {
      return;
    }
    this.#bar.setPointerCapture(event.pointerId);
    this.#isDragged = true;
    flag("seeking", "");
    this.#point(this.#shareAt(event));
    this.draw();
  }

  #onUp(): void {
    const [reach, share] = [this.#reach, this.#pointedShare];
    if (this.#isDragged && reach !== null && share !== null) {
      this.#player.seekTo(positionAt(share, reach));
    }
    this.#drop();
    this.draw();
  }

  #drop(): void {
    this.#isDragged = false;
    flag("seeking", null);
    this.#point(null);
  }

  #point(share: number | null): void {
    this.#pointedShare = share;
    if (this.#isDragged) {
      this.draw();
    } else {
      this.#drawTip();
    }
  }

  #shareAt(event: PointerEvent): number {
    const { left, right, width } = this.#bar.getBoundingClientRect();
    const nearLive = right - event.clientX <= LIVE_SNAP_PX;
    return nearLive ? 1 : Math.min(1, Math.max(0, (event.clientX - left) / width));
  }

  /** Left and right are the page's own keys, wherever the focus is. */
  #onKey(event: KeyboardEvent): void {
    const leaps: Record<string, number> = { PageDown: -LEAP_S, PageUp: LEAP_S };
    const leapS = leaps[event.key];
    if (leapS !== undefined) {
      event.preventDefault();
      this.#player.seekBy(leapS);
      this.draw();
    }
  }

  /** Whoever listens hears every change of an attribute: only a change is one. */
  #say(attribute: string, value: string): void {
    if (this.#bar.getAttribute(attribute) !== value) {
      this.#bar.setAttribute(attribute, value);
    }
  }
}
