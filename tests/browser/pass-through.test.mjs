// The watch page on a broadcast whose highest rendition is the source as it comes: the encoder that
// stands in for a lost publisher has other parameter sets, which the browser finds in band.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  SMALL_LADDER,
  openPage,
  playsOn,
  reaches,
  startBrowser,
  startPublisher,
  startServer,
  until,
} from "./rig.mjs";

const WITHIN_MS = 30_000;

describe("a page of a source that is passed through", { timeout: 200_000 }, () => {
  let [server, browser, stream, page, publisher] = [];

  before(async () => {
    const settings = { ...SMALL_LADDER, MILLRACE_LADDER_SOURCE: "top" };
    [server, browser] = await Promise.all([startServer(settings), startBrowser()]);
    stream = await server.createStream("Harbour camera");
    page = await openPage(browser, stream.page);
    await page.evaluate(() => (window.neverReloaded = true));
    publisher = startPublisher(stream);
    await reaches(page, "playing");
  });

  after(async () => {
    await publisher?.stop();
    await browser?.close();
    await server?.stop();
  });

  const passes = () => server.log.includes("the source is the highest rendition as it comes");
  const showsHighest = () => page.evaluate(() => document.querySelector("#video").videoHeight === 360);

  test("plays the source itself in its highest quality", async () => {
    assert.ok(passes(), server.log);
    await until("the highest quality", showsHighest, WITHIN_MS);
    await playsOn(page);
  });

  test("plays on through an encoder that stands in, and through the source's return", async () => {
    await publisher.crash();
    await page.waitForTimeout(3000);
    publisher = startPublisher(stream);
    await playsOn(page);
    await until("the highest quality", showsHighest, WITHIN_MS);
    await playsOn(page);
    assert.equal(await page.evaluate(() => window.neverReloaded), true);
    assert.deepEqual(page.complaints, []);
  });
});
