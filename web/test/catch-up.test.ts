// When the picture is sped up to its place behind the live edge.
import assert from "node:assert/strict";
import { test } from "node:test";
import { playbackRate, type Standing } from "../client/src/catch-up.ts";

const there: Standing = { behindS: 0.66, targetS: 0.66, bufferedS: 0.5, partS: 0.2, targetDurationS: 2 };

test("who is in place plays at the media's speed", () => {
  assert.equal(playbackRate(there), 1);
  assert.equal(playbackRate({ ...there, behindS: 0.71 }), 1);
  assert.equal(playbackRate({ ...there, behindS: 0.3 }), 1);
});

test("who is behind catches up, the faster the further, with less than a second buffered too", () => {
  assert.equal(playbackRate({ ...there, behindS: 0.76 }), 1.05);
  assert.equal(playbackRate({ ...there, behindS: 1.16, bufferedS: 0.9 }), 1.2);
  assert.equal(playbackRate({ ...there, behindS: 2.6, bufferedS: 2 }), 1.5);
});

test("what the next part's coming late needs stays buffered", () => {
  assert.equal(playbackRate({ ...there, behindS: 1.16, bufferedS: 0.4 }), 1);
  assert.equal(playbackRate({ ...there, behindS: 1.16, bufferedS: 0.9, partS: null }), 1);
  assert.equal(playbackRate({ ...there, behindS: 1.16, bufferedS: 1.1, partS: null }), 1.2);
});

test("who has rewound is left there", () => {
  assert.equal(playbackRate({ ...there, behindS: 2.7, bufferedS: 2 }), 1);
});
