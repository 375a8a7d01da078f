import assert from "node:assert/strict";
import { test } from "node:test";
import { Recovery } from "../client/src/backoff.ts";

test("the network is tried for ever, ever more slowly up to a bound", () => {
  const recovery = new Recovery();
  const delays = [];
  for (let attempt = 0; attempt < 500; attempt += 1) {
    const remedy = recovery.failed("network", attempt * 5000);
    assert.equal(remedy.kind, "resume");
    delays.push(remedy.delayMs);
  }
  assert.deepEqual(delays.slice(0, 6), [250, 500, 1000, 2000, 4000, 4000]);
  assert.equal(delays.at(-1), 4000);
});

test("a picture that moved for a while makes the next failure the first", () => {
  const recovery = new Recovery();
  recovery.failed("network", 0);
  recovery.failed("network", 1000);
  recovery.progressed(2000);
  assert.equal(recovery.failed("network", 3000).delayMs, 1000);
  recovery.progressed(13_000);
  assert.equal(recovery.failed("network", 14_000).delayMs, 250);
});

test("media errors are mended at once, and only a series of them takes a new player", () => {
  const recovery = new Recovery();
  const kinds = [0, 1000, 2000, 3000, 4000].map((atMs) => recovery.failed("media", atMs).kind);
  assert.deepEqual(kinds, ["recover-media", "recover-media", "recover-media", "rebuild", "recover-media"]);
  const seldom = new Recovery();
  for (let atMs = 0; atMs < 1_000_000; atMs += 21_000) {
    assert.deepEqual(seldom.failed("media", atMs), { kind: "recover-media", delayMs: 0 });
  }
});

test("a multivariant playlist that is not there yet is asked for again", () => {
  assert.deepEqual(new Recovery().failed("manifest", 0), { kind: "reload", delayMs: 250 });
});
