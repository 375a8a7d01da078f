// What the pages look like before anybody plays with them: the landing page, a stream that does not
// exist, a telephone in both themes, and a browser that wants a gesture before it plays sound.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  DESKTOP,
  PHONE,
  SMALL_LADDER,
  openPage,
  reaches,
  screenshot,
  soundNeedsClick,
  startBrowser,
  startPublisher,
  startServer,
  stats,
} from "./rig.mjs";

const LIGHT_DESKTOP = { ...DESKTOP, colorScheme: "light" };
const DARK_PHONE = { ...PHONE, colorScheme: "dark" };
const PHONE_ON_ITS_SIDE = { ...PHONE, viewport: { width: 844, height: 390 } };
/** Nothing may stand out on the right of a telephone's screen. */
const overflows = () => document.documentElement.scrollWidth > window.innerWidth;

describe("the pages", { timeout: 240_000 }, () => {
  let [server, browser, stream, publisher] = [];

  before(async () => {
    [server, browser] = await Promise.all([startServer(SMALL_LADDER), startBrowser()]);
    stream = await server.createStream("Harbour camera, north quay, with a title that needs two lines");
    publisher = startPublisher(stream);
  });

  after(async () => {
    await publisher?.stop();
    await browser?.close();
    await server?.stop();
  });

  const shown = [
    ["desktop-light", LIGHT_DESKTOP],
    ["desktop-dark", DESKTOP],
    ["phone-light", PHONE],
    ["phone-dark", DARK_PHONE],
  ];

  test("the landing page says how to go live, and opens a stream by its id", async () => {
    for (const [name, options] of shown) {
      const page = await openPage(browser, server.origin, options);
      assert.equal(await page.evaluate(overflows), false, name);
      const text = await page.textContent("main");
      assert.ok(text.includes(`${server.origin}/api/v1/streams`), text);
      await screenshot(page, `${name}-landing`);
      if (name === "phone-dark") {
        await page.fill("#stream-id", stream.id);
        await page.keyboard.press("Enter");
        await page.waitForURL(stream.page);
      }
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
  });

  test("an unknown stream is named as such", async () => {
    for (const [name, options] of shown) {
      const page = await openPage(browser, `${server.origin}/watch/nosuchstream`, options);
      await reaches(page, "error");
      assert.equal(await page.getAttribute("body", "data-error"), "unknown");
      assert.equal(await page.textContent("#notice-title"), "No such stream");
      await screenshot(page, `${name}-unknown`);
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
  });

  test("a browser that allows no sound plays muted and offers to unmute", async () => {
    const [light, , ...phones] = shown;
    for (const [name, options] of [light, ...phones, ["phone-side", PHONE_ON_ITS_SIDE]]) {
      const page = await openPage(browser, stream.page, options, soundNeedsClick);
      await reaches(page, "playing");
      assert.equal(await page.evaluate(overflows), false, name);
      assert.equal((await stats(page)).muted, true);
      assert.ok(await page.isVisible("#unmute"));
      // The quality that the page settles on is part of the picture.
      await page.waitForSelector('body[data-level="360p"]');
      await screenshot(page, `${name}-muted`);
      await page.click("#unmute");
      assert.equal((await stats(page)).muted, false);
      assert.equal(await page.isVisible("#unmute"), false);
      if (options.hasTouch) {
        await touchControls(page, name);
      }
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
  });
});

/** A tap shows the bar, another hides it, and neither pauses; the menu fits the screen. */
async function touchControls(page, name) {
  const bar = page.locator("#controls");
  await page.waitForSelector("body[data-idle]");
  await page.tap("#video", { position: { x: 60, y: 60 } });
  await page.waitForSelector("body:not([data-idle])");
  await page.tap("#quality");
  await screenshot(page, `${name}-quality`);
  const [menu, stage] = [await page.locator("#quality-menu").boundingBox(), await page.locator("#stage").boundingBox()];
  assert.ok(menu.y >= stage.y && menu.x >= stage.x, "the menu lies on the stage");
  await page.tap("#quality-menu [role=menuitemradio]:last-child");
  await page.tap("#video", { position: { x: 60, y: 60 } });
  await page.waitForSelector("body[data-idle]");
  assert.equal(await bar.evaluate((it) => getComputedStyle(it).pointerEvents), "none");
  assert.equal(await page.$eval("#video", (it) => it.paused), false);
}
