// hls.js's choice of the rendition, or the viewer's, held until `switch-point.ts` allows it: hls.js
// changes at any part.

import { AbrController } from "hls.js";
import type Hls from "hls.js";
import { type Ahead, maySwitch } from "./switch-point.ts";

/**
 * A controller for hls.js that leads to what is `wanted`, or where that is null, to whatever fits.
 * Who plays what is wanted makes it hls.js's manual level: what hls.js forces from then on, it means.
 */
export function segmentAbr(wanted: () => number | null): typeof AbrController {
  return class extends AbrController {
    /** What hls.js was told to stay with although another one fits; -1: nothing. */
    #held = -1;

    override get nextAutoLevel(): number {
      const next = (this.hls.autoLevelEnabled ? wanted() : null) ?? super.nextAutoLevel;
      const current = this.hls.loadLevel;
      // What is forced has failed where it was: staying there would play no longer than the buffer.
      const hasToMove = next === this.forcedAutoLevel;
      const isSame = next === current || current < 0;
      const isFree = isSame || hasToMove || maySwitch(ahead(this.hls), endsS(this.hls, current));
      this.#held = isFree ? -1 : current;
      return isFree ? next : current;
    }

    override set nextAutoLevel(level: number) {
      // hls.js sets what it has just read, and what is set counts as forced from then on.
      if (level !== this.#held) {
        super.nextAutoLevel = level;
      }
    }
  };
}

function ahead(hls: Hls): Ahead | null {
  const info = hls.mainForwardBufferInfo;
  return info && { endS: info.end, lenS: info.len };
}

function endsS(hls: Hls, level: number): number[] {
  return hls.levels[level]?.details?.fragments.map((fragment) => fragment.end) ?? [];
}
