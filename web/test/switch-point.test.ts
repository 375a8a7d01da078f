import assert from "node:assert/strict";
import { test } from "node:test";
import { maySwitch } from "../client/src/switch-point.ts";

const endsS = [10, 12, 14.002];

test("another rendition begins where the buffer ends with a segment", () => {
  assert.equal(maySwitch({ endS: 12, lenS: 1 }, endsS), true);
  assert.equal(maySwitch({ endS: 14, lenS: 1 }, endsS), true);
});

test("no rendition is taken up in the middle of a segment", () => {
  for (const endS of [11, 12.333, 13.9, 14.333, 9]) {
    assert.equal(maySwitch({ endS, lenS: 1 }, endsS), false, `${endS}`);
  }
});

test("where nothing is buffered there is nothing to wait for", () => {
  assert.equal(maySwitch(null, endsS), true);
  assert.equal(maySwitch({ endS: 12.333, lenS: 0 }, endsS), true);
  assert.equal(maySwitch({ endS: 12.333, lenS: 0 }, []), true);
});
