// What a viewer reads and presses: names of rungs, positions, keys, and the server's answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { commandOf } from "../client/src/keys.ts";
import { hasFallenOut, isAtEdge, latencyText, mustJump, onAirText, pictureAgeMs, seekTarget, viewersText } from "../client/src/live.ts";
import { behindClock, behindS, behindWords, positionAt, reachOf, shareOf } from "../client/src/timeline.ts";
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

test("the bar goes from the earliest to where live is, and its end is live", () => {
  const reach = reachOf({ startS: 100, endS: 701 }, 700);
  assert.deepEqual(reach, { startS: 100, liveS: 700 });
  assert.ok(reach);
  assert.equal(shareOf(400, reach), 0.5);
  assert.equal(shareOf(90, reach), 0);
  assert.equal(shareOf(699, reach), 1);
  assert.equal(behindS(699, reach), 0);
  assert.equal(behindS(640, reach), 60);
  assert.equal(positionAt(0.25, reach), 250);
  assert.equal(positionAt(2, reach), 700);
  assert.deepEqual(reachOf({ startS: 0, endS: 30 }, null), { startS: 0, liveS: 30 });
  assert.equal(reachOf({ startS: 0, endS: 9 }, 8), null);
  assert.equal(reachOf(null, null), null);
});

test("times behind live are shown like a clock and said in words", () => {
  assert.deepEqual([0, 42, 65, 3723].map(behindClock), ["LIVE", "\u22120:42", "\u22121:05", "\u22121:02:03"]);
  assert.equal(behindWords(0), "Live");
  assert.equal(behindWords(61), "1 minute 1 second behind live");
  assert.equal(behindWords(7325), "2 hours 2 minutes 5 seconds behind live");
});

test("viewers are counted in a few characters", () => {
  const shown = [0, 1, 12, 999, 1000, 1234, 9999, 10_000, 123_456, 999_999, 1_200_000].map(viewersText);
  assert.deepEqual(shown, [
    "",
    "1 viewer",
    "12 viewers",
    "999 viewers",
    "1K viewers",
    "1.2K viewers",
    "9.9K viewers",
    "10K viewers",
    "123K viewers",
    "999K viewers",
    "1.2M viewers",
  ]);
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
  assert.equal(latencyText(3_725_000), "1 h 2 min");
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
  assert.equal(commandOf(press("Home"), "page"), "seek-to-start");
  assert.equal(commandOf(press("Home"), "slider"), null);
  assert.equal(commandOf(press("Home"), "menu"), null);
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
    description: null,
    playlist: "/live/k3f9/master.m3u8?t=1",
    canRewind: false,
    thumbnail: null,
    audience: null,
    status: { kind: "live", liveSince: "2026-01-02T03:04:05Z" },
  });
  const dvr = "https://other.example:8443/live/k3f9/master.m3u8?dvr=1&t=1";
  const rewindable = { ...body, viewers: 3, viewers_peak: 7, playback: { ...body.playback, dvr } };
  assert.deepEqual(parseWatch(rewindable), {
    ...parseWatch(body),
    playlist: "/live/k3f9/master.m3u8?dvr=1&t=1",
    canRewind: true,
    audience: { now: 3, peak: 7 },
  });
  const thumbnail = "https://other.example:8443/live/k3f9/thumbnail.jpg?t=1";
  const pictured = { ...body, playback: { ...body.playback, thumbnail } };
  assert.equal(parseWatch(pictured).thumbnail, "/live/k3f9/thumbnail.jpg?t=1");
  assert.equal(parseWatch({ ...body, description: "Boats <b>\nand sea" }).description, "Boats <b>\nand sea");
  assert.equal(parseWatch({ ...body, description: " " }).description, null);
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
