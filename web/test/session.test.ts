import assert from "node:assert/strict";
import { test } from "node:test";
import { type Effect, type Event, INITIAL, pollDelayMs, type Session, type Status, step } from "../client/src/session.ts";

const live = (liveSince: string | null): Event => status({ kind: "live", liveSince });
const offline = (): Event => status({ kind: "offline" });
const unknown = (): Event => status({ kind: "unknown" });
const refused = (reason: "private" | "expired"): Event => status({ kind: "refused", reason });
const unreachable = (): Event => status({ kind: "unreachable" });
const started: Event = { kind: "started" };
const playedOut: Event = { kind: "played-out" };
const starved: Event = { kind: "starved" };

function status(value: Status): Event {
  return { kind: "status", status: value };
}

/** Phase and effect after each event. */
function run(events: Event[], from: Session = INITIAL): [string, Effect][] {
  let session = from;
  return events.map((event) => {
    const [next, effect] = step(session, event);
    session = next;
    return [session.fault ?? session.phase, effect];
  });
}

test("a viewer who waits sees the broadcast, its end, and the next one", () => {
  const seen = run([offline(), live("1"), live("1"), started, playedOut, live("1"), offline(), live("2"), started]);
  assert.deepEqual(seen, [
    ["offline", "none"],
    ["connecting", "load"],
    ["connecting", "none"],
    ["playing", "none"],
    ["ended", "unload"],
    ["ended", "none"],
    ["ended", "none"],
    ["connecting", "load"],
    ["playing", "none"],
  ]);
});

test("a broadcast that the server ends is shown to its last frame", () => {
  const seen = run([live("1"), started, offline(), offline(), playedOut, offline()]);
  assert.deepEqual(seen.at(-3), ["playing", "none"]);
  assert.deepEqual(seen.at(-2), ["ended", "unload"]);
  assert.deepEqual(seen.at(-1), ["ended", "none"]);
});

test("without an end in the playlist the picture's standing is the end, once the server says so", () => {
  assert.deepEqual(run([live("1"), started, starved]).at(-1), ["playing", "none"]);
  assert.deepEqual(run([live("1"), started, offline(), starved]).at(-1), ["ended", "unload"]);
});

test("the next broadcast starts even where nobody saw the stream offline", () => {
  assert.deepEqual(run([live("1"), started, live("2")]).at(-1), ["connecting", "load"]);
  assert.deepEqual(run([live("1"), started, playedOut, live("2")]).at(-1), ["connecting", "load"]);
});

test("a server that does not say since when is understood as well", () => {
  const seen = run([live(null), started, live(null), playedOut, live(null), offline(), live(null)]);
  assert.deepEqual(seen.map(([, effect]) => effect), ["load", "none", "none", "unload", "none", "none", "load"]);
});

test("a publisher who comes back to the same broadcast leaves the player alone", () => {
  const seen = run([live("1"), started, offline(), live("1"), starved]);
  assert.deepEqual(seen.slice(2), [["playing", "none"], ["playing", "none"], ["playing", "none"]]);
});

test("a server that is away is not noticed while the picture moves", () => {
  const away = Array.from({ length: 20 }, unreachable);
  assert.deepEqual(run([live("1"), started, ...away]).at(-1), ["playing", "none"]);
  assert.deepEqual(run([offline(), unreachable(), unreachable()]).at(-1), ["offline", "none"]);
  assert.deepEqual(run([offline(), ...away]).at(-1), ["unreachable", "none"]);
  assert.deepEqual(run([offline(), ...away, live("1")]).at(-1), ["connecting", "load"]);
});

test("an unknown stream is an error, and none once it exists", () => {
  assert.deepEqual(run([unknown(), unknown(), offline(), live("1")]), [
    ["unknown", "none"],
    ["unknown", "none"],
    ["offline", "none"],
    ["connecting", "load"],
  ]);
});

test("a viewer who is refused sees why at once, and the picture again once it is allowed", () => {
  const seen = run([refused("private"), live("1"), started, refused("expired"), started, live("1"), started]);
  assert.deepEqual(seen, [
    ["private", "none"],
    ["connecting", "load"],
    ["playing", "none"],
    ["expired", "unload"],
    ["expired", "none"],
    ["connecting", "load"],
    ["playing", "none"],
  ]);
  const away = Array.from({ length: 20 }, unreachable);
  assert.deepEqual(run([refused("private"), ...away]).at(-1), ["private", "none"]);
  const ended = run([live("1"), started, playedOut, refused("expired"), offline()]);
  assert.deepEqual(ended.slice(-2), [["expired", "none"], ["offline", "none"]]);
});

test("a broadcast that ends before its first picture drops the player", () => {
  assert.deepEqual(run([live("1"), offline()]).at(-1), ["offline", "unload"]);
});

test("late words of a dropped player change nothing", () => {
  assert.deepEqual(run([offline(), started, playedOut, starved]), Array(4).fill(["offline", "none"]));
});

test("waiting pages ask about every two seconds, hidden ones seldom", () => {
  for (const random of [0, 0.5, 1]) {
    const waiting = pollDelayMs({ ...INITIAL, phase: "offline" }, false, random);
    assert.ok(waiting >= 1500 && waiting <= 2500, String(waiting));
  }
  assert.ok(pollDelayMs({ ...INITIAL, phase: "offline" }, true, 0.5) >= 10_000);
  // Also while hidden: the server counts a page that plays by its questions.
  for (const hidden of [false, true]) {
    assert.equal(pollDelayMs({ ...INITIAL, phase: "playing" }, hidden, 0.5), 5000);
  }
  for (const fault of ["unknown", "private", "expired"] as const) {
    assert.ok(pollDelayMs({ ...INITIAL, phase: "error", fault }, false, 0.5) >= 10_000, fault);
  }
  assert.ok(pollDelayMs({ ...INITIAL, phase: "error", fault: "unreachable" }, false, 0.5) <= 2500);
});
