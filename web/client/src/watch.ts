// The watch page: asks the server about the stream, steps the session, and joins player, controls
// and notices. What is measured stands in data attributes on <body> and in `millrace.stats()`.

import { ServerClock } from "./clock.ts";
import { Controls } from "./controls.ts";
import { byId, flag } from "./dom.ts";
import { pictureAgeMs } from "./live.ts";
import { drawAudience, drawDescription, drawOnAir, drawSession } from "./notice.ts";
import { Player } from "./player.ts";
import { AUTOMATIC, levelName } from "./quality.ts";
import { type Event, INITIAL, pollDelayMs, type Session, step } from "./session.ts";
import { askStatus, type Audience, streamIdOf, tokenOf } from "./watch-api.ts";

/** How often latency and position are measured and drawn. */
const MEASURE_EVERY_MS = 250;
/** A broadcast that the server has ended, and a picture that stands so long: nothing more comes. */
const STARVED_AFTER_MS = 4000;

const streamId = streamIdOf(location.pathname);
const token = tokenOf(location.search);
const debug = new URLSearchParams(location.search).has("debug");
const video = byId("video", HTMLVideoElement);
const supported = Player.isSupported(video);
const clock = new ServerClock();
const player = new Player(
  video,
  {
    started: () => dispatch({ kind: "started" }),
    playedOut: () => dispatch({ kind: "played-out" }),
    // The server says why: the token has expired, or the stream has become private.
    refused: () => void poll(),
    changed: () => controls.draw(),
  },
  debug,
);
const controls = new Controls(player, video);

let session: Session = INITIAL;
let title: string | null = null;
let description: string | null = null;
let playlist = `/live/${streamId}/master.m3u8`;
let canRewind = false;
let thumbnail: string | null = null;
let audience: Audience | null = null;
let pollTimer = 0;
let asking = false;

function dispatch(event: Event): void {
  const [next, effect] = step(session, event);
  session = next;
  drawSession(session, title, supported);
  drawDescription(description);
  drawAudience(session, audience);
  if (effect === "load" && supported) {
    // The browser shows it until the picture moves.
    video.poster = thumbnail ?? "";
    player.load(playlist, canRewind);
  } else if (effect === "unload") {
    player.unload();
    // Of what is over, or not for this viewer any more.
    video.poster = "";
  }
  controls.draw();
}

async function poll(): Promise<void> {
  if (asking) {
    return;
  }
  asking = true;
  window.clearTimeout(pollTimer);
  const isPlaying = session.phase === "playing" && !session.draining && !video.paused;
  const answer = await askStatus(streamId, token, isPlaying);
  asking = false;
  if (answer.clock) {
    clock.observe(answer.clock);
  }
  // Who is refused is not told the title any more.
  title = answer.status.kind === "refused" ? null : (answer.title ?? title);
  description = answer.status.kind === "unreachable" ? description : answer.description;
  if (answer.playlist !== null) {
    playlist = answer.playlist;
    canRewind = answer.canRewind;
  }
  thumbnail = answer.thumbnail;
  // One answer that is missing does not change how many watch.
  audience = answer.status.kind === "unreachable" ? audience : answer.audience;
  dispatch({ kind: "status", status: answer.status });
  pollTimer = window.setTimeout(() => void poll(), pollDelayMs(session, document.hidden, Math.random()));
}

function serverNowMs(): number {
  return Date.now() + clock.skewMs;
}

/** From the playlist's wall-clock time of the picture to now, on the server's clock. */
function latencyMs(): number | null {
  const pictureMs = player.engine?.pictureTimeMs() ?? null;
  const live = session.phase === "playing" && player.liveness() !== "over";
  if (!live || pictureMs === null) {
    return null;
  }
  return pictureAgeMs(serverNowMs(), pictureMs, player.engine?.behindEdgeMs() ?? null);
}

function playingLevel(): string | null {
  const index = player.engine?.playing() ?? AUTOMATIC;
  const level = player.engine?.levels()[index];
  return level ? levelName(level) : null;
}

function measure(): void {
  player.keepLive();
  const latency = latencyMs();
  controls.drawLive(latency);
  drawOnAir(session, serverNowMs());
  flag("latency-ms", latency === null ? null : String(latency));
  flag("stalls", String(player.counters.stalls));
  flag("level", playingLevel());
  if (session.draining && player.standingForMs > STARVED_AFTER_MS) {
    dispatch({ kind: "starved" });
  }
}

/** What a test or a curious viewer may ask for; plain data. */
function stats(): Record<string, unknown> {
  const { engine, counters } = player;
  const levels = engine?.levels() ?? [];
  const chosen = levels[engine?.chosen() ?? AUTOMATIC];
  const quality = video.getVideoPlaybackQuality();
  return {
    ...structuredClone(counters),
    streamId,
    state: document.body.dataset["state"],
    error: document.body.dataset["error"] ?? null,
    broadcast: session.broadcast,
    engine: engine?.name ?? null,
    latencyMs: latencyMs(),
    targetLatencyMs: engine?.targetLatencyMs() ?? null,
    liveness: player.liveness(),
    window: engine?.window() ?? null,
    audience,
    level: playingLevel(),
    chosen: chosen ? levelName(chosen) : "auto",
    levels: levels.map(levelName),
    bandwidthBps: engine?.bandwidthBps() ?? null,
    positionS: video.currentTime,
    bufferedAheadS: player.bufferedAheadS(),
    playbackRate: video.playbackRate,
    paused: video.paused,
    muted: video.muted,
    frames: quality.totalVideoFrames,
    droppedFrames: quality.droppedVideoFrames,
    clockSkewMs: Math.round(clock.skewMs),
  };
}

declare global {
  interface Window {
    millrace: { stats(): Record<string, unknown> };
  }
}
window.millrace = { stats };

drawSession(session, title, supported);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    void poll();
  }
});
window.addEventListener("online", () => void poll());
window.setInterval(measure, MEASURE_EVERY_MS);
void poll();
