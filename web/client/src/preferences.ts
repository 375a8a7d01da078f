// What a viewer set before: volume and mute, kept by the browser.

const STORAGE_KEY = "millrace.sound";

export interface Sound {
  /** From 0 to 1. */
  volume: number;
  muted: boolean;
}

export function loadSound(): Sound {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "null");
    if (typeof stored === "object" && stored !== null && "volume" in stored && "muted" in stored) {
      const volume = Number(stored.volume);
      return { volume: volume >= 0 && volume <= 1 ? volume : 1, muted: stored.muted === true };
    }
  } catch {
    // Storage may be forbidden (a third-party frame), or hold something else: begin anew.
  }
  return { volume: 1, muted: false };
}

export function saveSound(sound: Sound): void {
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(sound));
  } catch {
    // Without storage the choice holds for this page.
  }
}
