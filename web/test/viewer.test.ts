// What a viewer reads and presses: names of rungs, positions, keys, and the server's answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOf } from "../client/src/keys.ts";
import { hasFallenOut, isAtEdge, latencyText, mustJump, onAirText, pictureAgeMs, seekTarget } from "../client/src/live.ts";
import { bitrateText, choices, levelName } from "../client/src/quality.ts";
import { liveSinceMs, parseRefusal, parseWatch, streamIdOf, tokenOf } from "../client/src/watch-api.ts";

const rung = (index: number, width: number, height: number, bitrateBps: number, frameRate = 30) => ({
  index,
  width,
  height,
  bitrateBps,
  frameRate,
});

test("rungs are named by lines, and by frame rate where it is high", () => {
  assert.equal(levelName(rung(0, 1920, 1080, 5e6)), "1080p");
  assert.equal(levelName(rung(0, 1280, 720, 5e6, 59.94)), "720p60");
  assert.equal(levelName(rung(0, 1080, 1920, 5e6)), "1080p");
  assert.equal(levelName(rung(0, 0, 0, 128_000)), "128 kbit/s");
  assert.equal(bitrateText(2.5e6), "2.5 Mbit/s");
});

test("the menu goes from automatic over high to low, whatever the playlist's order", () => {
  const levels = [rung(0, 854, 480, 1.2e6), rung(1, 1920, 1080, 5e6), rung(2, 1280, 720, 2.5e6)];
  const menu = choices(levels, 1);
  assert.deepEqual(menu.map((choice) => choice.label), ["Auto (1080p)", "1080p", "720p", "480p"]);
  assert.deepEqual(menu.map((choice) => choice.index), [-1, 1, 2, 0]);
  assert.equal(choices(levels, -1)[0]?.label, "Auto");
});

test("a seek stays within the window and never overtakes the live position", () => {
  const window = { startS: 100, endS: 112 };
  assert.equal(seekTarget(110, -5, window, 111), 105);
  assert.equal(seekTarget(103, -5, window, 111), 100.5);
  assert.equal(seekTarget(109, 5, window, 111), 111);
  assert.equal(seekTarget(109, 5, window, null), 112);
  assert.equal(seekTarget(109, 5, null, null), 109);
});

test("being live is being near the ideal position", () => {
  assert.ok(isAtEdge(109, 111));
  assert.ok(isAtEdge(112, 111));
  assert.ok(!isAtEdge(104, 111));
  assert.ok(hasFallenOut(99, { startS: 100, endS: 112 }));
  assert.ok(!hasFallenOut(99, null));
});

test("times are said in words that fit them", () => {
  assert.equal(latencyText(1449), "1.4 s");
  assert.equal(latencyText(-30), "0.0 s");
  assert.equal(latencyText(12_400), "12 s");
  assert.equal(latencyText(125_000), "2 min 5 s");
  assert.equal(onAirText(0, 30_000), "just started");
  assert.equal(onAirText(0, 12 * 60_000), "on air for 12 min");
  assert.equal(onAirText(0, 125 * 60_000), "on air for 2 h 5 min");
});

test("keys belong to the page, but not to the control that needs them", () => {
  const press = (key: string, over = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...over });
  assert.equal(commandOf(press(" "), "page"), "toggle-play");
  assert.equal(commandOf(press(" "), "button"), null);
  assert.equal(commandOf(press("K"), "button"), "toggle-play");
  assert.equal(commandOf(press("ArrowLeft"), "button"), "seek-back");
  assert.equal(commandOf(press("ArrowLeft"), "slider"), null);
  assert.equal(commandOf(press("ArrowDown"), "menu"), null);
  assert.equal(commandOf(press("m"), "text"), null);
  assert.equal(commandOf(press("f", { ctrlKey: true }), "page"), null);
  assert.equal(commandOf(press("x"), "page"), null);
});

test("a viewer far behind is taken back to the edge, but not over and over", () => {
  assert.equal(mustJump(90, 94, Number.POSITIVE_INFINITY), true);
  assert.equal(mustJump(90, 92.5, Number.POSITIVE_INFINITY), false);
  assert.equal(mustJump(90, 94, 5000), false);
});

test("the picture is never said to be younger than what is not shown yet", () => {
  assert.equal(pictureAgeMs(10_000, 8600, 1100), 1400);
  assert.equal(pictureAgeMs(10_000, 9900, 1100), 1100);
  assert.equal(pictureAgeMs(10_000, 10_300, null), 0);
});

test("the server's answer is read, and another shape is no answer", () => {
  const body = {
    id: "k3f9",
    title: "Harbour",
    status: "live",
    playback: { hls: "https://other.example:8443/live/k3f9/master.m3u8?t=1", page: "x" },
    live_since: "2026-01-02T03:04:05Z",
  };
  assert.deepEqual(parseWatch(body), {
    title: "Harbour",
    playlist: "/live/k3f9/master.m3u8?t=1",
    status: { kind: "live", liveSince: "2026-01-02T03:04:05Z" },
  });
  assert.deepEqual(parseWatch({ status: "offline", live_since: null }).status, { kind: "offline" });
  for (const odd of [null, [], "live", {}, { status: 7 }, { status: "resting", playback: null }]) {
    assert.equal(parseWatch(odd).status.kind, "unreachable");
  }
  assert.equal(liveSinceMs("1700000000000"), 1_700_000_000_000);
  assert.equal(liveSinceMs("1970-01-01T00:00:01Z"), 1000);
  assert.equal(liveSinceMs(null), null);
});

test("the stream's id comes from the page's address as it stands there", () => {
  assert.equal(streamIdOf("/watch/k3f9"), "k3f9");
  assert.equal(streamIdOf("/watch/k3f9/"), "k3f9");
  assert.equal(streamIdOf("/watch/a%2Fb"), "a%2Fb");
});

test("the token comes from the page's query, and a refusal says whether it has expired", () => {
  assert.equal(tokenOf("?debug&token=v1.1767247200.a-b_c"), "v1.1767247200.a-b_c");
  assert.equal(tokenOf("?debug"), null);
  assert.equal(parseRefusal({ status: 403, code: "playback_token_expired" }), "expired");
  for (const odd of [{ code: "playback_token_required" }, {}, null, "no"]) {
    assert.equal(parseRefusal(odd), "private");
  }
});
