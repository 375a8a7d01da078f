// Rewinding a running broadcast further than the live playlist reaches, by mouse, keys and finger,
// and how many watch: on pages that are never reloaded.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  DESKTOP,
  PHONE,
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

const WINDOW_S = 16;
const SETTINGS = { ...SMALL_LADDER, MILLRACE_HLS_WINDOW_S: String(WINDOW_S) };
/** By then segments have left the live playlist. */
const LONG_ENOUGH_S = WINDOW_S + 10;
/** The page asks every five seconds, and is counted over ten. */
const COUNTED_WITHIN_MS = 20_000;
/** The clock of a picture that shows where the page has gone to. */
const SEEN_WITHIN_MS = 20_000;
const NO_FAILURES = { manifest: 0, network: 0, media: 0, other: 0 };

describe("rewinding", { timeout: 240_000 }, () => {
  let [server, browser, stream, page, publisher] = [];
  const body = (of, name) => of.getAttribute("body", `data-${name}`);
  const positionS = () => page.$eval("#video", (it) => it.currentTime);
  const behindS = async () => Number(await body(page, "latency-ms")) / 1000;
  const isLive = (of) => of.waitForSelector('body[data-live="edge"]', { timeout: 15_000 });
  const isBehind = (of) => of.waitForSelector('body[data-live="behind"]');
  const moves = async () => {
    const fromS = await positionS();
    await until("the picture moves", async () => (await positionS()) > fromS + 0.5, 10_000);
  };

  before(async () => {
    [server, browser] = await Promise.all([startServer(SETTINGS), startBrowser()]);
    stream = await server.createStream("Harbour camera");
    publisher = startPublisher(stream);
    page = await openPage(browser, stream.page);
    await reaches(page, "playing");
    await page.evaluate(() => (window.neverReloaded = true));
    await page.evaluate(readClockInPage, { everyMs: 250 });
  });

  after(async () => {
    await publisher?.stop();
    await browser?.close();
    await server?.stop();
  });

  test("the page counts itself, and another one", async () => {
    await page.waitForSelector("#viewers:not([hidden])", { timeout: COUNTED_WITHIN_MS });
    assert.equal(await page.textContent("#viewers-count"), "1 viewer");
    assert.equal(await body(page, "viewers"), "1");
    const phone = await openPage(browser, stream.page, PHONE);
    await reaches(phone, "playing");
    await until("both are counted", async () => (await body(page, "viewers")) === "2", COUNTED_WITHIN_MS);
    assert.equal(await page.textContent("#viewers-count"), "2 viewers");
    const told = await (await fetch(`${server.origin}/api/v1/watch/${stream.id}`)).json();
    assert.equal(told.viewers, 2);
    // On a busy machine one who asks late is counted twice for a moment.
    assert.ok(told.viewers_peak >= 2, `${told.viewers_peak}`);
    await rewindByFinger(phone);
    await phone.context().close();
  });

  test("the bar spans the broadcast, and the page plays at the live edge", async () => {
    await until("the broadcast is long enough", async () => Number(await body(page, "reach-s")) >= LONG_ENOUGH_S, 40_000);
    await isLive(page);
    const bar = page.locator("#seek");
    assert.equal(await bar.getAttribute("role"), "slider");
    assert.equal(await bar.getAttribute("aria-valuetext"), "Live");
    assert.equal(await bar.getAttribute("aria-valuenow"), "0");
    assert.ok(Number(await bar.getAttribute("aria-valuemin")) <= -LONG_ENOUGH_S);
    await playsOn(page);
    assert.deepEqual((await stats(page)).failures, NO_FAILURES);
  });

  test("Home leads to the beginning, further than the live playlist reaches, and L back to live", async () => {
    await page.keyboard.press("Home");
    await isBehind(page);
    await moves();
    assert.ok((await behindS()) > WINDOW_S + 4, `${await behindS()} s behind`);
    await until("the picture shows the past", () => page.evaluate((ms) => window.glass.samples.at(-1).latencyMs > ms, (WINDOW_S + 4) * 1000), SEEN_WITHIN_MS);
    const words = await page.getAttribute("#seek", "aria-valuetext");
    assert.match(words, /^(\d+ minutes? )?\d+ seconds? behind live$/);
    await page.hover("#stage");
    await screenshot(page, "desktop-dark-rewound");
    await page.keyboard.press("l");
    await isLive(page);
    await moves();
    await until("the picture is live", () => page.evaluate(() => window.glass.samples.at(-1).latencyMs < 4000), SEEN_WITHIN_MS);
  });

  test("a mouse is told the time at its pointer, and seeks where it lets go", async () => {
    await page.hover("#stage");
    const { x, y, width, height } = await page.locator("#seek").boundingBox();
    const at = (share) => [x + width * share, y + height / 2];
    await page.mouse.move(...at(0.5));
    assert.match(await page.textContent("#seek-tip"), /^\u22120:\d\d$/);
    await screenshot(page, "desktop-dark-seek-tip");
    await page.evaluate(noteSeeks);
    const seeks = () => page.evaluate(() => window.seeks);
    await page.mouse.down();
    await page.mouse.move(...at(0.25));
    assert.deepEqual(await seeks(), [], "nothing happens before it lets go");
    const [reachS, fromS] = [Number(await body(page, "reach-s")), await positionS()];
    await page.mouse.up();
    await isBehind(page);
    await moves();
    const backS = fromS - (await seeks()).at(-1).toS;
    assert.ok(Math.abs(backS - reachS * 0.75) < 4, `${backS} s back, of ${reachS}`);
    // Arrows go on from there.
    await page.keyboard.press("ArrowRight");
    await until("it goes on", async () => Math.abs((await seeks()).at(-1).afterKeyS - 5) < 1, SEEN_WITHIN_MS);
    await page.mouse.click(...at(0.999));
    await isLive(page);
    await page.focus("#seek");
    await page.keyboard.press("End");
    await isLive(page);
  });

  test("what cannot be rewound has no bar", async () => {
    const other = await openPage(browser, "about:blank", { ...DESKTOP, colorScheme: "light" });
    const asked = [];
    other.on("request", (request) => asked.push(request.url()));
    // As the server says where `hls.dvr_s` is 0.
    await other.route("**/api/v1/watch/**", async (route) => {
      const answer = await (await route.fetch()).json();
      await route.fulfill({ json: { ...answer, playback: { ...answer.playback, dvr: null } } });
    });
    await other.goto(stream.page);
    await reaches(other, "playing");
    await isLive(other);
    assert.equal(await other.isVisible("#seek"), false);
    const playlists = asked.filter((it) => it.includes(".m3u8"));
    assert.deepEqual(playlists.filter((it) => it.includes("dvr=1")), []);
    assert.ok(playlists.length > 2);
    assert.deepEqual(other.complaints, []);
    await other.context().close();
  });

  test("all of it without a reload or an error, and the picture plays on", async () => {
    await playsOn(page);
    assert.deepEqual((await stats(page)).failures, NO_FAILURES);
    assert.equal(await page.evaluate(() => window.neverReloaded), true);
    assert.deepEqual(page.complaints, []);
  });

  /** A tap on the bar rewinds, and another on its end goes live. */
  async function rewindByFinger(phone) {
    await until("the bar is there", async () => Number(await body(phone, "reach-s")) >= 10, COUNTED_WITHIN_MS);
    await phone.tap("#video", { position: { x: 60, y: 60 } });
    await phone.waitForSelector("body:not([data-idle])");
    const { width, height } = await phone.locator("#seek").boundingBox();
    await phone.tap("#seek", { position: { x: width * 0.3, y: height / 2 } });
    await isBehind(phone);
    await screenshot(phone, "phone-light-rewound");
    assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth > window.innerWidth), false);
    await phone.tap("#seek", { position: { x: width - 2, y: height / 2 } });
    await isLive(phone);
    assert.equal(await phone.isVisible("#seek-tip"), false, "a finger that is gone points at nothing");
    assert.deepEqual(phone.complaints, []);
  }
});
