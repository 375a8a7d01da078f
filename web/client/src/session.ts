// What the page shows, and when it loads or drops the player: a pure state machine over the
// server's answers and the player's events.

/** What `/api/v1/watch/{id}` said, or that it said nothing. */
export type Status =
  | { kind: "live"; liveSince: string | null }
  | { kind: "offline" }
  | { kind: "unknown" }
  | { kind: "refused"; reason: Refusal }
  | { kind: "unreachable" };

/** Why the stream is not shown: it is private and there is no token that opens it, or no more. */
export type Refusal = "private" | "expired";

/** Stands in `data-state`. */
export type Phase = "connecting" | "offline" | "playing" | "ended" | "error";

/** Why the phase is `error`; stands in `data-error`. */
export type Fault = "unknown" | Refusal | "unreachable";

export interface Session {
  phase: Phase;
  fault: Fault | null;
  /** Whether a player is loaded. */
  loaded: boolean;
  /** Which broadcast the player has, or had: the server's `live_since`. */
  broadcast: string | null;
  /** The server says that the broadcast is over, but the player has not shown its end yet. */
  draining: boolean;
  /** Whether the stream was seen offline since the last broadcast ended. */
  sawOffline: boolean;
  /** Answers missed in a row. */
  missed: number;
}

export type Event =
  | { kind: "status"; status: Status }
  /** The picture moves. */
  | { kind: "started" }
  /** The player showed the last frame of a playlist with `EXT-X-ENDLIST`. */
  | { kind: "played-out" }
  /** The player has nothing left to show and nothing comes. */
  | { kind: "starved" };

/** What the page is to do with the player. */
export type Effect = "load" | "unload" | "none";

/** One lost answer is not worth a message; so many are. */
const MISSED_MAX = 3;

export const INITIAL: Session = {
  phase: "connecting",
  fault: null,
  loaded: false,
  broadcast: null,
  draining: false,
  sawOffline: false,
  missed: 0,
};

/** The session after `event`, and what that asks of the page. */
export function step(session: Session, event: Event): [Session, Effect] {
  switch (event.kind) {
    case "status":
      return onStatus(session, event.status);
    case "started":
      return session.loaded ? [{ ...session, phase: "playing", fault: null }, "none"] : [session, "none"];
    case "played-out":
      return session.loaded ? end(session) : [session, "none"];
    case "starved":
      return session.loaded && session.draining ? end(session) : [session, "none"];
  }
}

function onStatus(session: Session, status: Status): [Session, Effect] {
  switch (status.kind) {
    case "live":
      return onLive({ ...session, missed: 0 }, status.liveSince);
    case "offline":
      return onGone({ ...session, missed: 0 }, "offline", null);
    case "unknown":
      return onGone({ ...session, missed: 0 }, "error", "unknown");
    case "refused":
      return onRefused({ ...session, missed: 0 }, status.reason);
    case "unreachable":
      return onMissed({ ...session, missed: session.missed + 1 });
  }
}

function onLive(session: Session, liveSince: string | null): [Session, Effect] {
  const another = liveSince !== null && liveSince !== session.broadcast;
  if (session.loaded && !(another && session.broadcast !== null)) {
    // It may have been offline for a moment: a publisher who came back to the same broadcast.
    return [{ ...session, draining: false, broadcast: session.broadcast ?? liveSince }, "none"];
  }
  if (session.phase === "ended" && !another && !session.sawOffline) {
    // The server has not noticed the end that the player has already shown.
    return [session, "none"];
  }
  const fresh: Session = { ...INITIAL, loaded: true, broadcast: liveSince };
  return [fresh, "load"];
}

function onGone(session: Session, phase: Phase, fault: Fault | null): [Session, Effect] {
  if (session.phase === "playing") {
    return [{ ...session, draining: true }, "none"];
  }
  if (session.phase === "ended" && fault === null) {
    return [{ ...session, sawOffline: true }, "none"];
  }
  const idle: Session = { ...session, phase, fault, loaded: false, draining: false };
  return [{ ...idle, sawOffline: true }, session.loaded ? "unload" : "none"];
}

/** At once, also while the picture moves: what is buffered is all that would come. */
function onRefused(session: Session, fault: Refusal): [Session, Effect] {
  return [{ ...INITIAL, phase: "error", fault }, session.loaded ? "unload" : "none"];
}

function onMissed(session: Session): [Session, Effect] {
  const idle = session.phase === "offline" || (session.phase === "connecting" && !session.loaded);
  if (idle && session.missed >= MISSED_MAX) {
    return [{ ...session, phase: "error", fault: "unreachable" }, "none"];
  }
  return [session, "none"];
}

function end(session: Session): [Session, Effect] {
  const ended: Session = {
    ...session,
    phase: "ended",
    fault: null,
    loaded: false,
    sawOffline: session.draining,
    draining: false,
  };
  return [ended, "unload"];
}

const POLL_WAITING_MS = 2000;
/** The server takes a page that says it plays for a viewer for so long. */
const POLL_PLAYING_MS = 5000;
const POLL_HIDDEN_MS = 15_000;
/** There is no such stream, or it is not for this viewer: hardly ever does that change. */
const POLL_CLOSED_MS = 10_000;
/** Spread over so much, so that the viewers of a stream do not all ask at the same instant. */
const POLL_SPREAD = 0.25;

/**
 * How long to wait before asking again; `random` from 0 to 1. A page that plays asks as often while
 * it is hidden, since the server counts it by that.
 */
export function pollDelayMs(session: Session, hidden: boolean, random: number): number {
  let delayMs = POLL_WAITING_MS;
  if (session.phase === "playing" && !session.draining) {
    delayMs = POLL_PLAYING_MS;
  } else if (session.phase === "error" && session.fault !== "unreachable") {
    delayMs = POLL_CLOSED_MS;
  }
  if (hidden && delayMs !== POLL_PLAYING_MS) {
    delayMs = Math.max(delayMs, POLL_HIDDEN_MS);
  }
  return delayMs * (1 + POLL_SPREAD * (random - 0.5));
}
