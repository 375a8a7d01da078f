// How the rungs of the ladder are named and ordered for a viewer.

/** One rung as the multivariant playlist describes it (RFC 8216bis §4.4.6.2). */
export interface Level {
  /** Its index with the playback library. */
  index: number;
  width: number;
  height: number;
  frameRate: number;
  bitrateBps: number;
}

/** A line of the quality menu; `index` -1 is automatic. */
export interface Choice {
  index: number;
  label: string;
  /** Said beside the label, such as a bitrate. */
  detail: string;
}

export const AUTOMATIC = -1;

/** Above this a frame rate is worth saying: 50 and 60 are, 24 to 30 are not. */
const FRAME_RATE_PLAIN_MAX = 32;

/** `1080p`, or `1080p60` for a high frame rate; by the shorter side, so that it holds for portrait. */
export function levelName(level: Level): string {
  const lines = Math.min(level.width || level.height, level.height);
  if (lines <= 0) {
    return bitrateText(level.bitrateBps);
  }
  const rate = level.frameRate > FRAME_RATE_PLAIN_MAX ? String(Math.round(level.frameRate)) : "";
  return `${lines}p${rate}`;
}

/** `2.5 Mbit/s`, `800 kbit/s`. */
export function bitrateText(bitrateBps: number): string {
  const megabits = bitrateBps / 1e6;
  if (megabits >= 1) {
    return `${megabits >= 10 ? Math.round(megabits) : megabits.toFixed(1)} Mbit/s`;
  }
  return `${Math.round(bitrateBps / 1000)} kbit/s`;
}

/** The menu from automatic over high to low. `playing` is the rung on the screen, -1 for none yet. */
export function choices(levels: readonly Level[], playing: number): Choice[] {
  const current = levels.find((level) => level.index === playing);
  const automatic = current ? `Auto (${levelName(current)})` : "Auto";
  const rungs = [...levels].sort((a, b) => b.height - a.height || b.bitrateBps - a.bitrateBps);
  return [
    { index: AUTOMATIC, label: automatic, detail: "" },
    ...rungs.map((level) => ({
      index: level.index,
      label: levelName(level),
      detail: bitrateText(level.bitrateBps),
    })),
  ];
}
