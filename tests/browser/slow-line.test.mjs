// A viewer who chose more than the line carries: the picture pauses, and goes on.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openPage, reaches, startBrowser, startPublisher, startServer, stats, until } from "./rig.mjs";

/** hls.js flees from a request where a lower rendition is far smaller, so that there is much to gain. */
const LADDER = {
  MILLRACE_LADDER_RUNGS: "360p 640x360 3000k, 180p 320x180 150k, 90p 160x90 80k",
  MILLRACE_LADDER_PRESET: "ultrafast",
};
const LINE_KBPS = 700;
/** Once, and again where the page leaps over what it missed. */
const ASKED_MAX = 3;
/** More than what was buffered before. */
const MOVES_S = 6;
const MOVES_WITHIN_MS = 90_000;

describe("a line that is too slow for what was chosen", { timeout: 240_000 }, () => {
  let [server, browser, publisher, page] = [];

  before(async () => {
    [server, browser] = await Promise.all([startServer(LADDER), startBrowser()]);
    const stream = await server.createStream("Harbour camera");
    publisher = startPublisher(stream, { kbps: 4000 });
    page = await openPage(browser, stream.page);
    await reaches(page, "playing");
  });

  after(async () => {
    await publisher?.stop();
    await browser?.close();
    await server?.stop();
  });

  test("makes the picture pause, and no part is asked for again and again", async () => {
    const line = await page.context().newCDPSession(page);
    const downloadThroughput = (LINE_KBPS * 1000) / 8;
    await line.send("Network.enable");
    await line.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput, uploadThroughput: -1 });
    await page.click("#quality");
    await page.getByRole("menuitemradio", { name: /^360p/ }).click();
    await until("what was chosen is loaded", async () => (await stats(page)).level === "360p", MOVES_WITHIN_MS);
    const asked = new Map();
    page.on("request", (request) => {
      const { pathname } = new URL(request.url());
      if (pathname.endsWith(".m4s")) {
        asked.set(pathname, (asked.get(pathname) ?? 0) + 1);
      }
    });
    const fromS = (await stats(page)).positionS;
    await until("it goes on", async () => (await stats(page)).positionS > fromS + MOVES_S, MOVES_WITHIN_MS);
    assert.deepEqual([...asked].filter(([, times]) => times > ASKED_MAX), []);
    const { chosen, failures } = await stats(page);
    assert.equal(chosen, "360p");
    assert.deepEqual(failures, { manifest: 0, network: 0, media: 0, other: 0 });
    assert.deepEqual(page.complaints, []);
  });
});
