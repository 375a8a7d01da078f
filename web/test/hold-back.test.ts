// What stalls cost, and when it is given back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { HoldBack } from "../client/src/hold-back.ts";

test("after a quiet time the target returns to the server's, a step at a time", () => {
  const holdBack = new HoldBack(0);
  holdBack.stalled(1000);
  assert.equal(holdBack.next(1.5, 1.07, 30_999), null);
  assert.equal(holdBack.next(1.5, 1.07, 31_000), 1.25);
  assert.equal(holdBack.next(1.25, 1.07, 32_000), null);
  assert.equal(holdBack.next(1.25, 1.07, 61_000), 1.07);
  assert.equal(holdBack.next(1.07, 1.07, 600_000), null);
});

test("a step that is lost again takes twice as long to come back", () => {
  const holdBack = new HoldBack(0);
  assert.equal(holdBack.next(1.5, 1, 30_000), 1.25);
  holdBack.stalled(40_000);
  assert.equal(holdBack.next(1.5, 1, 99_999), null);
  assert.equal(holdBack.next(1.5, 1, 100_000), 1.25);
});
