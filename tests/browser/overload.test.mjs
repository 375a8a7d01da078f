// A page that watches the highest rendition while the machine becomes too small: its encoder is
// exchanged and then taken away, and the page goes on with what is handed out instead.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openPage, playsOn, reaches, startBrowser, startPublisher, startServer, stats, until } from "./rig.mjs";

const LADDER = {
  MILLRACE_LADDER_RUNGS: "360p 640x360 700k, 180p 320x180 300k",
  MILLRACE_LADDER_PRESET: "superfast",
};
/** How long the server runs of each time that it stands, as on a machine that others have. */
const RUNS_MS = 6;
const STANDS_MS = 294;
const SHED_WITHIN_MS = 60_000;
/** Until another picture is shown, on a busy machine. */
const SHOWN_WITHIN_MS = 30_000;

describe("a page on a machine that becomes too small", { timeout: 240_000 }, () => {
  let [server, browser, publisher, page] = [];
  const width = () => page.evaluate(() => document.querySelector("video").videoWidth);

  before(async () => {
    [server, browser] = await Promise.all([startServer(LADDER), startBrowser()]);
    const stream = await server.createStream("Harbour camera");
    publisher = startPublisher(stream);
    page = await openPage(browser, stream.page);
    await reaches(page, "playing");
  });

  after(async () => {
    await publisher?.stop();
    await browser?.close();
    await server?.stop();
  });

  test("goes on in the highest rendition with the next one's picture", async () => {
    await page.click("#quality");
    await page.getByRole("menuitemradio", { name: /^360p/ }).click();
    await until("what was chosen is loaded", async () => (await stats(page)).level === "360p", SHOWN_WITHIN_MS);
    await until("it is shown", async () => (await width()) === 640, SHOWN_WITHIN_MS);
    let pressed = true;
    const pressure = (async () => {
      const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      while (pressed) {
        process.kill(server.pid, "SIGSTOP");
        await wait(STANDS_MS);
        process.kill(server.pid, "SIGCONT");
        await wait(RUNS_MS);
      }
    })();
    try {
      await until("all is shed", () => server.log.includes("shed=top_rung"), SHED_WITHIN_MS);
    } finally {
      pressed = false;
      await pressure;
    }
    await until("the next rendition's picture", async () => (await width()) === 320, SHOWN_WITHIN_MS);
    await playsOn(page);
    const { chosen, level, failures } = await stats(page);
    assert.deepEqual([chosen, level], ["360p", "360p"]);
    assert.equal(failures.media, 0);
    assert.equal(failures.other, 0);
  });
});
