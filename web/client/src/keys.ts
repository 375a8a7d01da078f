// Which key does what. Pure: the page says what has the focus.

export type Command =
  | "toggle-play"
  | "toggle-mute"
  | "toggle-fullscreen"
  | "toggle-picture-in-picture"
  | "seek-back"
  | "seek-forward"
  | "seek-to-start"
  | "volume-up"
  | "volume-down"
  | "go-live";

/** What has the focus, by what it does with keys itself. */
export type Focus = "page" | "button" | "slider" | "menu" | "text";

/** The parts of a `KeyboardEvent` that count. */
export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
}

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  [" ", "toggle-play"],
  ["k", "toggle-play"],
  ["m", "toggle-mute"],
  ["f", "toggle-fullscreen"],
  ["i", "toggle-picture-in-picture"],
  ["l", "go-live"],
  ["End", "go-live"],
  ["Home", "seek-to-start"],
  ["ArrowLeft", "seek-back"],
  ["ArrowRight", "seek-forward"],
  ["ArrowUp", "volume-up"],
  ["ArrowDown", "volume-down"],
]);

/** The command of a key press, or null where it belongs to the browser or the focused control. */
export function commandOf(press: KeyPress, focus: Focus): Command | null {
  if (press.ctrlKey || press.metaKey || press.altKey || focus === "text") {
    return null;
  }
  const key = press.key.length === 1 ? press.key.toLowerCase() : press.key;
  const takenByButton = focus === "button" && key === " ";
  const isEndKey = key === "Home" || key === "End";
  const takenBySlider = focus === "slider" && (key.startsWith("Arrow") || isEndKey);
  const takenByMenu = focus === "menu" && (key.startsWith("Arrow") || key === " " || isEndKey);
  if (takenByButton || takenBySlider || takenByMenu) {
    return null;
  }
  return COMMANDS.get(key) ?? null;
}
