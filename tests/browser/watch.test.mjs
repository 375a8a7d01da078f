// What a viewer sees from before a broadcast to after the next one has begun, on one page that is
// never reloaded: real encoder, real server, hls.js in Chromium.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  SEEN_AS_A_STALL_MS,
  SMALL_LADDER,
  openPage,
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
const WATCHED_MS = 15_000;
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

describe("the watch page", { timeout: 150_000 }, () => {
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
    await page.waitForTimeout(WATCHED_MS);
    const [glass, own] = [await page.evaluate(() => window.glass), await stats(page)];
    const late = `the publisher's own encoder was late by ${publisher.behindMaxMs()} ms`;
    assert.ok(own.stalledMs < SEEN_AS_A_STALL_MS, `${late}, ${JSON.stringify(own)}`);
    assert.ok(glass.samples.length > 20, `${glass.samples.length} samples, ${glass.unread} unread`);
    const worst = Math.max(...glass.samples.map((sample) => sample.latencyMs));
    assert.ok(worst < LATENCY_SANITY_MS, `${worst} ms behind the source`);
    const paintedHeights = new Set(glass.samples.slice(-4).map((sample) => sample.height));
    assert.deepEqual([...paintedHeights], [360]);
    assert.equal(own.level, "360p");
    assert.deepEqual(own.failures, { manifest: 0, network: 0, media: 0, other: 0 });
    await page.hover("#stage");
    await screenshot(page, "desktop-dark-playing");
    // The mouse rests on the picture: the bar goes, and comes back with the mouse.
    await page.waitForSelector("body[data-idle]", { timeout: 5000 });
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

    await page.waitForSelector('body[data-live="edge"]');
    const beforeS = await video((it) => it.currentTime);
    await page.keyboard.press("ArrowLeft");
    const afterS = await video((it) => it.currentTime);
    assert.ok(Math.abs(beforeS - 5 - afterS) < 1, `from ${beforeS} to ${afterS}`);
    await page.waitForSelector('body[data-live="behind"]');
    assert.equal(await page.textContent("#live-label"), "GO LIVE");
    await until("the delay is shown", async () => Number(await page.getAttribute("body", "data-latency-ms")) > 4000, 2000);
    await screenshot(page, "desktop-dark-behind");
    // The viewer chose so: the page leaves it at that.
    await page.waitForTimeout(1000);
    assert.equal(await page.getAttribute("body", "data-live"), "behind");
    assert.equal((await stats(page)).jumps, 0);
    await page.keyboard.press("ArrowRight");
    await page.waitForSelector('body[data-live="edge"]');
    await page.keyboard.press("ArrowLeft");
    await page.waitForSelector('body[data-live="behind"]');
    await page.keyboard.press("l");
    await page.waitForSelector('body[data-live="edge"]');

    await page.keyboard.press("f");
    await page.waitForFunction(() => document.fullscreenElement?.id === "stage");
    await page.keyboard.press("f");
    await page.waitForFunction(() => document.fullscreenElement === null);
    const { stalledMs } = await stats(page);
    assert.ok(stalledMs < SEEN_AS_A_STALL_MS, `no key made the picture stall: ${stalledMs} ms`);
  });

  test("returns to the live edge after an outage, which nobody chose", async () => {
    const { jumps } = await stats(page);
    await video((it) => (it.currentTime -= 8));
    await until("the page jumps", async () => (await stats(page)).jumps === jumps + 1, 10_000);
    await page.waitForSelector('body[data-live="edge"]');
  });

  test("offers every rung, and plays the one that is chosen", async () => {
    await page.click("#quality");
    const items = await page.$$eval("#quality-menu [role=menuitemradio] span", (all) =>
      all.map((item) => item.textContent),
    );
    assert.deepEqual(items, ["Auto (360p)", "360p", "180p", "90p"]);
    await screenshot(page, "desktop-dark-quality");
    await page.evaluate(noteChanges);
    await page.keyboard.press("End");
    await page.keyboard.press("Enter");
    assert.equal(await page.isVisible("#quality-menu"), false);
    await until("the picture has 90 lines", () => video((it) => it.videoHeight === 90), 10_000);
    assert.equal(await page.textContent("#quality-label"), "90p");
    await page.click("#quality");
    await page.click("#quality-menu [data-index='-1']");
    await until("the picture has 360 lines", () => video((it) => it.videoHeight === 360), 15_000);
    const { stalledMs } = await stats(page);
    assert.ok(stalledMs < SEEN_AS_A_STALL_MS, `neither a jump nor a switch stalls: ${stalledMs} ms`);
    const changes = await page.evaluate(() => window.changes);
    assert.deepEqual(changes.map(({ height }) => height), [90, 360]);
    for (const { leftOutS } of changes) {
      assert.ok(leftOutS < PART_S, `${leftOutS} s of the picture were left out: ${JSON.stringify(changes)}`);
    }
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
