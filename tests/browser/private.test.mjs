// A private stream on the watch page: without a link, with an expired one, with a good one, and
// what a viewer sees whose link expires in the middle.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import {
  DESKTOP,
  PHONE,
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

const TITLE = "Board meeting";
const LOOKS = [
  ["desktop-light", { ...DESKTOP, colorScheme: "light" }],
  ["desktop-dark", DESKTOP],
  ["phone-light", PHONE],
  ["phone-dark", { ...PHONE, colorScheme: "dark" }],
];
/** Long enough to see the picture before, on a busy machine. */
const SHORT_LINK_S = 20;

describe("a private stream", { timeout: 120_000 }, () => {
  let [server, browser, stream, publisher] = [];

  before(async () => {
    [server, browser] = await Promise.all([startServer(SMALL_LADDER), startBrowser()]);
    stream = await server.createStream(TITLE, "private");
    publisher = startPublisher(stream);
  });

  after(async () => {
    await publisher?.stop();
    await browser?.close();
    await server?.stop();
  });

  const fault = (page) => page.getAttribute("body", "data-error");
  const notice = (page) => page.textContent("#notice-title");

  test("is named as such without a link, and its title is not told", async () => {
    for (const [name, options] of LOOKS) {
      const page = await openPage(browser, stream.page, options);
      await reaches(page, "error");
      assert.equal(await fault(page), "private");
      assert.equal(await notice(page), "This stream is private");
      assert.ok(!(await page.content()).includes(TITLE));
      await screenshot(page, `${name}-private`);
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
  });

  test("says that a link has expired", async () => {
    const { token, page: url } = await server.issueToken(stream, 1);
    const told = () => fetch(`${server.origin}/api/v1/watch/${stream.id}?token=${token}`);
    await until("it expires", async () => (await told()).status === 403, 5000);
    for (const [name, options] of LOOKS) {
      const page = await openPage(browser, url, options);
      await reaches(page, "error");
      assert.equal(await fault(page), "expired");
      assert.equal(await notice(page), "Your link has expired");
      await screenshot(page, `${name}-expired`);
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
  });

  test("plays by its link, with the token in every request", async () => {
    const { token, page: url } = await server.issueToken(stream, 600);
    const page = await openPage(browser, "about:blank");
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.goto(url);
    await reaches(page, "playing");
    assert.equal(await page.textContent("#title"), TITLE);
    await page.waitForTimeout(3000);
    const own = await stats(page);
    assert.deepEqual(own.failures, { manifest: 0, network: 0, media: 0, other: 0 });
    const media = asked.filter((it) => it.includes("/live/"));
    assert.ok(media.length > 10, `${media.length} requests`);
    const bare = media.filter((it) => new URL(it).searchParams.get("token") !== token);
    assert.deepEqual(bare, []);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test("ends with words and not with a spinner where the link expires in the middle", async () => {
    const { page: url } = await server.issueToken(stream, SHORT_LINK_S);
    const page = await openPage(browser, url);
    await reaches(page, "playing");
    await reaches(page, "error", (SHORT_LINK_S + 10) * 1000);
    assert.equal(await fault(page), "expired");
    assert.equal(await notice(page), "Your link has expired");
    assert.ok(await page.isVisible("#notice"));
    assert.equal(await page.isVisible(".spinner"), false);
    assert.ok(!(await page.content()).includes(TITLE));
    await screenshot(page, "desktop-dark-expired-while-playing");
    // It has stopped asking for media.
    const asked = [];
    page.on("request", (request) => asked.push(request.url()));
    await page.waitForTimeout(3000);
    assert.deepEqual(asked.filter((it) => it.includes("/live/")), []);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test("opens and closes with its owner's wish, on a page that is never reloaded", async () => {
    const page = await openPage(browser, stream.page);
    await reaches(page, "error");
    await server.setVisibility(stream, "public");
    await reaches(page, "playing");
    assert.equal(await page.textContent("#title"), TITLE);
    await server.setVisibility(stream, "private");
    await reaches(page, "error");
    assert.equal(await fault(page), "private");
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
});
