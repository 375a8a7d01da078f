// What stands on the stage while there is no picture, and below it beside the title.

import { byId, flag } from "./dom.ts";
import { onAirText, viewersText } from "./live.ts";
import type { Fault, Session } from "./session.ts";
import { type Audience, liveSinceMs } from "./watch-api.ts";

interface Words {
  title: string;
  text: string;
  badge: string;
}

/** The words for a session. Pure. */
export function wordsFor(session: Session, supported: boolean): Words {
  if (!supported) {
    return {
      title: "This browser cannot play the stream",
      text: "It has neither Media Source Extensions nor HLS. A current browser has.",
      badge: "",
    };
  }
  switch (session.phase) {
    case "connecting":
      return session.loaded
        ? { title: "Starting…", text: "The broadcast is on its way.", badge: "Starting" }
        : { title: "Connecting…", text: "", badge: "" };
    case "offline":
      return {
        title: "Offline right now",
        text: "Stay on this page: the picture comes by itself when the broadcast starts.",
        badge: "Offline",
      };
    case "playing":
      return { title: "", text: "", badge: session.draining ? "" : "LIVE" };
    case "ended":
      return {
        title: "The broadcast has ended",
        text: "Thank you for watching. The next one starts here by itself.",
        badge: "Ended",
      };
    case "error":
      return wordsForFault(session.fault);
  }
}

function wordsForFault(fault: Fault | null): Words {
  switch (fault) {
    case "unknown":
      return {
        title: "No such stream",
        text: "Nothing is found at this address. Check the link that you were given.",
        badge: "",
      };
    case "private":
      return {
        title: "This stream is private",
        text: "It opens with a personal link. Check that yours is complete, or ask for one.",
        badge: "",
      };
    case "expired":
      return {
        title: "Your link has expired",
        text: "This stream is private, and your access to it has ended. Ask for a new link.",
        badge: "",
      };
    default:
      return {
        title: "The server does not answer",
        text: "Trying again by itself. You need not reload this page.",
        badge: "",
      };
  }
}

const noticeTitle = byId("notice-title", HTMLElement);
const noticeText = byId("notice-text", HTMLElement);
const badge = byId("badge", HTMLElement);
const since = byId("since", HTMLElement);
const viewers = byId("viewers", HTMLElement);
const viewersCount = byId("viewers-count", HTMLElement);
const title = byId("title", HTMLElement);
const description = byId("description", HTMLElement);

/** Draws the session, where it differs from what is there. */
export function drawSession(session: Session, name: string | null, supported: boolean): void {
  flag("state", supported ? session.phase : "error");
  flag("error", supported ? session.fault : "unsupported");
  const words = wordsFor(session, supported);
  replaceText(noticeTitle, words.title);
  replaceText(noticeText, words.text);
  replaceText(badge, words.badge);
  const heading = session.fault === "unknown" ? "" : (name ?? "");
  replaceText(title, heading || "\u00a0");
  document.title = heading ? `${heading} – Millrace` : "Millrace";
}

/** Draws how long the broadcast has been on the air; `nowMs` on the server's clock. */
export function drawOnAir(session: Session, nowMs: number): void {
  const startMs = session.phase === "playing" ? liveSinceMs(session.broadcast) : null;
  replaceText(since, startMs === null ? "" : onAirText(startMs, nowMs));
}

/** Draws how many watch; nothing where nothing is live. */
export function drawAudience(session: Session, audience: Audience | null): void {
  const live = session.phase === "playing" && !session.draining;
  const text = live && audience !== null ? viewersText(audience.now) : "";
  flag("viewers", text === "" ? null : String(audience?.now));
  viewers.hidden = text === "";
  viewers.title = audience === null ? "" : `Most at a time: ${audience.peak}`;
  replaceText(viewersCount, text);
}

/** Draws what the stream's owner says about it, as text and never as markup. */
export function drawDescription(text: string | null): void {
  description.hidden = text === null;
  replaceText(description, text ?? "");
}

/** A live region reads out every replacement: only a change is one. */
function replaceText(element: HTMLElement, text: string): void {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
