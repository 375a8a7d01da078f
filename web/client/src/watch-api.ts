// Asking the server about a stream: `GET /api/v1/watch/{id}`.

import type { ClockSample } from "./clock.ts";
import type { Refusal, Status } from "./session.ts";

/** The server answers from memory: silence for so long is an answer too. */
const ANSWER_TIMEOUT_MS = 8000;

/** What one question brought. */
export interface Answer {
  status: Status;
  title: string | null;
  /** Where to play, as a path on this page's own origin. */
  playlist: string | null;
  clock: ClockSample | null;
}

const NO_ANSWER: Answer = { status: { kind: "unreachable" }, title: null, playlist: null, clock: null };

/** The stream's id, still percent-encoded, from the page's own path. */
export function streamIdOf(pathname: string): string {
  return pathname.replace(/^\/watch\//, "").replace(/\/$/, "");
}

/** The playback token of the page's own query; a private stream needs one. */
export function tokenOf(search: string): string | null {
  return new URLSearchParams(search).get("token");
}

/** Asks once; never throws. */
export async function askStatus(streamId: string, token: string | null): Promise<Answer> {
  const sentMs = Date.now();
  try {
    const query = token === null ? "" : `?token=${encodeURIComponent(token)}`;
    const response = await fetch(`/api/v1/watch/${streamId}${query}`, {
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
  const { title, status, playback, live_since: liveSince } = fieldsOf(body);
  const hls = fieldsOf(playback)["hls"];
  const known = {
    title: typeof title === "string" && title.trim() !== "" ? title : null,
    playlist: typeof hls === "string" ? pathOf(hls) : null,
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
