import assert from "node:assert/strict";
import { test } from "node:test";
import { ServerClock } from "../client/src/clock.ts";

/** An answer of a server that is `aheadMs` ahead, asked at `atMs` and answered 20 ms later. */
function sample(atMs: number, aheadMs: number) {
  const stampedMs = atMs + 10 + aheadMs;
  return { sentMs: atMs, receivedMs: atMs + 20, serverDateMs: Math.floor(stampedMs / 1000) * 1000 };
}

test("clocks that agree are not corrected by the coarseness of the header", () => {
  const clock = new ServerClock();
  for (let atMs = 1_000_000; atMs < 1_060_000; atMs += 2137) {
    clock.observe(sample(atMs, 0));
    assert.equal(clock.skewMs, 0);
  }
});

test("many answers narrow a wrong clock to a few dozen milliseconds", () => {
  for (const aheadMs of [-90_500, -1700, 1700, 42_123]) {
    const clock = new ServerClock();
    for (let atMs = 1_000_000; atMs < 1_200_000; atMs += 2137) {
      clock.observe(sample(atMs, aheadMs));
    }
    assert.ok(Math.abs(clock.skewMs - aheadMs) <= 60, `${aheadMs}: ${clock.skewMs}`);
  }
});

test("a clock that was set is measured anew", () => {
  const clock = new ServerClock();
  for (let atMs = 1_000_000; atMs < 1_100_000; atMs += 2137) {
    clock.observe(sample(atMs, 5000));
  }
  for (let atMs = 1_100_000; atMs < 1_200_000; atMs += 2137) {
    clock.observe(sample(atMs, 0));
  }
  assert.equal(clock.skewMs, 0);
});

test("without an answer nothing is corrected", () => {
  assert.equal(new ServerClock().skewMs, 0);
});
