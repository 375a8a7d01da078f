// Asking the server about a stream: `GET /api/v1/watch/{id}`.

import type { ClockSample } from "./clock.ts";
import type { Refusal, Status } from "./session.ts";

/** The server answers from memory: silence for so long is an answer too. */
const ANSWER_TIMEOUT_MS = 8000;

/** What one question brought. */
export interface Answer {
  status: Status;
  title: string | null;
  /** What its owner says about it. */
  description: string | null;
  /** Where to play, as a path on this page's own origin. */
  playlist: string | null;
  /** Whether that playlist reaches back as far as a broadcast can be rewound. */
  canRewind: boolean;
  /** What is to be seen now, as a path on this page's own origin. */
  thumbnail: string | null;
  /** Null where nothing is live. */
  audience: Audience | null;
  clock: ClockSample | null;
}

/** How many watch. */
export interface Audience {
  now: number;
  peak: number;
}

const NO_ANSWER: Answer = {
  status: { kind: "unreachable" },
  title: null,
  description: null,
  playlist: null,
  canRewind: false,
  thumbnail: null,
  audience: null,
  clock: null,
};

/** The stream's id, still percent-encoded, from the page's own path. */
export function streamIdOf(pathname: string): string {
  return pathname.replace(/^\/watch\//, "").replace(/\/$/, "");
}

/** The playback token of the page's own query; a private stream needs one. */
export function tokenOf(search: string): string | null {
  return new URLSearchParams(search).get("token");
}

/** Asks once; never throws. `isPlaying` counts this page as a viewer until it asks again. */
export async function askStatus(streamId: string, token: string | null, isPlaying: boolean): Promise<Answer> {
  const sentMs = Date.now();
  try {
    const query = new URLSearchParams();
    if (token !== null) {
      query.set("token", token);
    }
    if (isPlaying) {
      query.set("playing", "1");
    }
    const response = await fetch(`/api/v1/watch/${streamId}?${query}`, {
      cache: "no-store",
      credentials: "omit",
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    const clock = clockSample(sentMs, Date.now(), response.headers.get("date"));
    if (response.status === 404 || response.status === 400) {
      return { ...NO_ANSWER, status: { kind: "unknown" }, clock };
    }
    if (response.status === 403) {
      const reason = parseRefusal(await response.json());
      return { ...NO_ANSWER, status: { kind: "refused", reason }, clock };
    }
    return response.ok ? { ...parseWatch(await response.json()), clock } : { ...NO_ANSWER, clock };
  } catch {
    return NO_ANSWER;
  }
}

function clockSample(sentMs: number, receivedMs: number, date: string | null): ClockSample | null {
  const serverDateMs = Date.parse(date ?? "");
  return Number.isNaN(serverDateMs) ? null : { sentMs, receivedMs, serverDateMs };
}

/** Reads the body of a 200; what does not have its shape counts as no answer. */
export function parseWatch(body: unknown): Omit<Answer, "clock"> {
  const { title, description, status, playback, live_since: liveSince, viewers, viewers_peak: peak } = fieldsOf(body);
  const { hls, dvr, thumbnail } = fieldsOf(playback);
  const rewindable = typeof dvr === "string" ? pathOf(dvr) : null;
  const known = {
    title: typeof title === "string" && title.trim() !== "" ? title : null,
    description: typeof description === "string" && description.trim() !== "" ? description : null,
    playlist: rewindable ?? (typeof hls === "string" ? pathOf(hls) : null),
    canRewind: rewindable !== null,
    thumbnail: typeof thumbnail === "string" ? pathOf(thumbnail) : null,
    audience: typeof viewers === "number" && typeof peak === "number" ? { now: viewers, peak } : null,
  };
  switch (status) {
    case "live": {
      const since = typeof liveSince === "string" || typeof liveSince === "number" ? liveSince : null;
      return { ...known, status: { kind: "live", liveSince: since === null ? null : String(since) } };
    }
    case "offline":
      return { ...known, status: { kind: "offline" } };
    default:
      return { ...known, status: { kind: "unreachable" } };
  }
}

/** Reads the problem of a 403. */
export function parseRefusal(body: unknown): Refusal {
  return fieldsOf(body)["code"] === "playback_token_expired" ? "expired" : "private";
}

/** Epoch milliseconds of `live_since`: RFC 3339, or a number of milliseconds. */
export function liveSinceMs(liveSince: string | null): number | null {
  const ms = /^\d+$/.test(liveSince ?? "") ? Number(liveSince) : Date.parse(liveSince ?? "");
  return Number.isNaN(ms) ? null : ms;
}

/**
 * The path and query of an address. The server names itself by its configured address; this page
 * reached it by another one, perhaps, and its policy allows that one only.
 */
function pathOf(address: string): string | null {
  try {
    const url = new URL(address, "http://localhost");
    return url.pathname + url.search;
  } catch {
    return null;
  }
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
