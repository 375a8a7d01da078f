import assert from "node:assert/strict";
import { test } from "node:test";
import Hls from "hls.js";
import { segmentAbr } from "../client/src/segment-abr.ts";

const SEGMENT_END_S = 12;
const IN_A_SEGMENT_S = 11.333;

/** As much of hls.js as the controller asks: three levels, of which the first is loaded. */
function player(wanted: number | null, bufferEndS: number, { autoLevelEnabled = true } = {}) {
  const hls = {
    config: { ...Hls.DefaultConfig },
    logger: { trace() {}, debug() {}, log() {}, info() {}, warn() {}, error() {} },
    on() {},
    loadLevel: 0,
    autoLevelEnabled,
    minAutoLevel: 0,
    maxAutoLevel: 2,
    levels: [0, 1, 2].map(() => ({ loadError: 0, details: { fragments: [{ end: SEGMENT_END_S }] } })),
    mainForwardBufferInfo: { end: bufferEndS, len: 1 },
  };
  const Controller = segmentAbr(() => wanted);
  return new Controller(hls as unknown as Hls);
}

test("what the viewer chose begins where a segment ends, not before", () => {
  assert.equal(player(2, IN_A_SEGMENT_S).nextAutoLevel, 0);
  assert.equal(player(2, SEGMENT_END_S).nextAutoLevel, 2);
});

test("what hls.js is held at is not what it is told to play", () => {
  const abr = player(2, IN_A_SEGMENT_S);
  abr.nextAutoLevel = abr.nextAutoLevel;
  assert.equal(abr.forcedAutoLevel, -1);
});

test("a level that hls.js flees to is taken at once", () => {
  const abr = player(null, IN_A_SEGMENT_S);
  abr.nextAutoLevel = 1;
  assert.equal(abr.nextAutoLevel, 1);
});

test("once the viewer's choice is loaded, a level that failed is left for another", () => {
  const abr = player(0, IN_A_SEGMENT_S, { autoLevelEnabled: false });
  abr.nextAutoLevel = 1;
  assert.equal(abr.nextAutoLevel, 1);
});
