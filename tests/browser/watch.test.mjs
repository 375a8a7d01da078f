// What a viewer sees from before a broadcast to after the next one has begun, on one page that is
// never reloaded: real encoder, real server, hls.js in Chromium.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  SMALL_LADDER,
  noteSeeks,
  openPage,
  playsOn,
  reaches,
  screenshot,
  startBrowser,
  startPublisher,
  startServer,
  stats,
  until,
} from "./rig.mjs";
import { readClockInPage } from "./source.mjs";

/** On an idle machine it is about 1.3 s; the benchmark in benches/glass holds the goal. */
const LATENCY_SANITY_MS = 4000;
const WATCHED_MS = 8000;
const SAMPLES = 20;
/** Until bandwidth is known and the best quality has come, on a busy machine. */
const SETTLED_WITHIN_MS = 30_000;
/** A busy browser that misses a callback shows more than it tells: so many changes are looked at. */
const ROUNDS = 3;
/** A change of quality in the middle of a segment leaves out one part of the picture or more. */
const PART_S = 0.3;

/** Runs in the page: notes each change of the picture's size, and how much media was not shown there. */
function noteChanges() {
  window.changes = [];
  const video = document.querySelector("#video");
  let last = null;
  const look = (_now, { mediaTime, height }) => {
    if (last !== null && height !== last.height) {
      window.changes.push({ height, leftOutS: mediaTime - last.mediaTime });
    }
    last = { mediaTime, height };
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
}

describe("the watch page", { timeout: 300_000 }, () => {
  let [server, browser, stream, page, publisher] = [];
  const video = (read) => page.$eval("#video", read);

  before(async () => {
    [server, browser] = await Promise.all([startServer(SMALL_LADDER), startBrowser()]);
    stream = await server.createStream("Harbour camera");
    page = await openPage(browser, stream.page);
  });

  after(async () => {
    await publisher?.stop();
    await browser?.close();
    await server?.stop();
  });

  test("says that the stream is offline, and turns into the picture by itself", async () => {
    await reaches(page, "offline");
    assert.equal(await page.textContent("#title"), "Harbour camera");
    assert.equal(await page.textContent("#notice-title"), "Offline right now");
    await screenshot(page, "desktop-dark-offline");
    publisher = startPublisher(stream);
    await reaches(page, "playing");
    assert.equal(await page.textContent("#badge"), "LIVE");
    assert.equal(await page.isVisible("#notice"), false);
  });

  test("plays without a stall, close to live, at the source's quality", async () => {
    await page.evaluate(readClockInPage, { everyMs: 250 });
    const glass = () => page.evaluate(() => window.glass);
    await playsOn(page, WATCHED_MS);
    const enough = async () => (await glass()).samples.length >= SAMPLES;
    await until("the clock in the picture is read", enough, SETTLED_WITHIN_MS);
    const delays = (await glass()).samples.map((sample) => sample.latencyMs).sort((a, b) => a - b);
    const late = `the publisher's own encoder was late by ${publisher.behindMaxMs()} ms`;
    const medianMs = delays[delays.length >> 1];
    assert.ok(medianMs < LATENCY_SANITY_MS, `${medianMs} ms behind the source, ${late}`);
    await page.waitForSelector('body[data-level="360p"]', { timeout: SETTLED_WITHIN_MS });
    await until("the picture has 360 lines", async () => (await glass()).samples.at(-1).height === 360, SETTLED_WITHIN_MS);
    assert.deepEqual((await stats(page)).failures, { manifest: 0, network: 0, media: 0, other: 0 });
    await page.hover("#stage");
    await screenshot(page, "desktop-dark-playing");
    // The mouse rests on the picture: the bar goes, and comes back with the mouse.
    await page.waitForSelector("body[data-idle]");
    await page.mouse.move(500, 300);
    await page.waitForSelector("body:not([data-idle])");
  });

  test("obeys its keys", async () => {
    await page.keyboard.press("Space");
    assert.equal(await video((it) => it.paused), true);
    await page.hover("#play");
    await screenshot(page, "desktop-dark-paused");
    await page.keyboard.press("Space");
    assert.equal(await video((it) => it.paused), false);

    await page.keyboard.press("m");
    assert.equal(await video((it) => it.muted), true);
    await page.keyboard.press("M");
    assert.equal(await video((it) => it.muted), false);

    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    assert.equal(await video((it) => it.volume.toFixed(2)), "0.90");
    await page.keyboard.press("ArrowUp");
    assert.equal(await video((it) => it.volume.toFixed(2)), "0.95");

    // Who paused is behind by choice.
    await page.keyboard.press("l");
    await page.waitForSelector('body[data-live="edge"]');
    await page.evaluate(noteSeeks);
    await page.keyboard.press("ArrowLeft");
    await page.waitForSelector('body[data-live="behind"]');
    const { afterKeyS } = await page.evaluate(() => window.seeks.at(-1));
    assert.ok(Math.abs(afterKeyS + 5) < 0.5, `by ${afterKeyS} s`);
    assert.equal(await page.textContent("#live-label"), "GO LIVE");
    await until("the delay is shown", async () => Number(await page.getAttribute("body", "data-latency-ms")) > 4000, SETTLED_WITHIN_MS);
    await screenshot(page, "desktop-dark-behind");
    // The viewer chose so: the page leaves it at that.
    await page.waitForTimeout(1000);
    assert.equal(await page.getAttribute("body", "data-live"), "behind");
    assert.equal((await stats(page)).jumps, 0);
    const isLive = async () => (await page.getAttribute("body", "data-live")) === "edge";
    await until("it is live again", async () => {
      // Seeking takes time, which the broadcast is ahead by then.
      await page.keyboard.press("ArrowRight");
      return isLive();
    }, SETTLED_WITHIN_MS);
    await page.keyboard.press("ArrowLeft");
    await page.waitForSelector('body[data-live="behind"]');
    await page.keyboard.press("l");
    await page.waitForSelector('body[data-live="edge"]');

    await page.keyboard.press("f");
    await page.waitForFunction(() => document.fullscreenElement?.id === "stage");
    await page.keyboard.press("f");
    await page.waitForFunction(() => document.fullscreenElement === null);
    await playsOn(page);
  });

  test("returns to the live edge after an outage, which nobody chose", async () => {
    const { jumps } = await stats(page);
    await video((it) => (it.currentTime -= 8));
    await until("the page jumps", async () => (await stats(page)).jumps > jumps, SETTLED_WITHIN_MS);
    await page.waitForSelector('body[data-live="edge"]');
  });

  test("offers every rung, and plays the one that is chosen", async () => {
    await page.click("#quality");
    const items = await page.$$eval("#quality-menu [role=menuitemradio] span", (all) =>
      all.map((item) => item.textContent),
    );
    assert.match(items[0], /^Auto \(\d+p\)$/);
    assert.deepEqual(items.slice(1), ["360p", "180p", "90p"]);
    await screenshot(page, "desktop-dark-quality");
    // By the keyboard.
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    assert.equal(await page.isVisible("#quality-menu"), false);
    const shows = (lines) =>
      until(`the picture has ${lines} lines`, () => video((it) => it.videoHeight).then((it) => it === lines), SETTLED_WITHIN_MS);
    await shows(90);
    assert.equal(await page.textContent("#quality-label"), "90p");
    await page.evaluate(noteChanges);
    const rounds = [];
    const isWhole = (changes) => changes.every(({ leftOutS }) => leftOutS < PART_S);
    while (rounds.length < ROUNDS && !rounds.some(isWhole)) {
      await page.evaluate(() => (window.changes = []));
      for (const lines of [360, 90]) {
        await page.click("#quality");
        await page.getByRole("menuitemradio", { name: new RegExp(`^${lines}p\\b`) }).click();
        await shows(lines);
      }
      rounds.push(await page.evaluate(() => window.changes));
      assert.deepEqual(rounds.at(-1).map(({ height }) => height), [360, 90]);
    }
    assert.ok(rounds.some(isWhole), `each time some of the picture was left out: ${JSON.stringify(rounds)}`);
    await page.click("#quality");
    await page.click("#quality-menu [data-index='-1']");
    await shows(360);
    await playsOn(page);
  });

  test("shows the end of a broadcast, and plays the next one", async () => {
    await publisher.stop();
    await reaches(page, "ended");
    assert.equal(await page.textContent("#notice-title"), "The broadcast has ended");
    await screenshot(page, "desktop-dark-ended");
    publisher = startPublisher(stream);
    await reaches(page, "playing");
    const own = await stats(page);
    assert.equal(own.broadcasts, 2);
    assert.deepEqual(page.complaints, []);
  });

  test("sees the end too when the server stops in order", async () => {
    assert.equal(await server.stop(), true, `exit code 0 within 5 s\n${server.log}`);
    await reaches(page, "ended");
  });
});
