// The API's page: that it describes this server's own routes, asks nobody else for anything, and that
// what is tried there is answered, with a token and by a cookie.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { DESKTOP, PHONE, openPage, screenshot, startBrowser, startServer } from "./rig.mjs";

const PASSWORD = "saltwater 42";
const SHOWN = [
  ["desktop-light", { ...DESKTOP, colorScheme: "light" }],
  ["desktop-dark", DESKTOP],
  ["phone-light", PHONE],
  ["phone-dark", { ...PHONE, colorScheme: "dark" }],
];
/** Nothing may stand out on the right of a telephone's screen. */
const overflows = () => document.documentElement.scrollWidth > window.innerWidth;

describe("the API's page", { timeout: 240_000 }, () => {
  let [server, browser] = [];

  before(async () => {
    [server, browser] = await Promise.all([startServer(), startBrowser()]);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  async function open(options = DESKTOP) {
    const page = await openPage(browser, `${server.origin}/api/docs`, options);
    page.asked = [];
    page.on("request", (request) => page.asked.push(request.url()));
    await page.waitForSelector(".opblock");
    return page;
  }

  /** An operation's block, unfolded by the keyboard. */
  async function unfold(page, method, path) {
    const block = page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${path}"]`) });
    await block.locator(".opblock-summary-control").focus();
    await page.keyboard.press("Enter");
    await block.locator(".execute").waitFor();
    return block;
  }

  /** The status and the body of the answer to what is tried. */
  async function execute(block) {
    const clear = block.locator(".btn-clear");
    if ((await clear.count()) > 0) {
      // The answer before this one would stand there until the new one comes.
      await clear.click();
    }
    await block.locator(".execute").click();
    const answer = block.locator(".live-responses-table");
    await answer.waitFor();
    return {
      status: Number.parseInt(await answer.locator(".response-col_status").last().innerText(), 10),
      body: await answer.locator(".highlight-code").first().innerText().catch(() => ""),
    };
  }

  test("it lists every operation of the document, in both themes and on a telephone", async () => {
    const document = await (await fetch(`${server.origin}/api/v1/openapi.json`)).json();
    const count = Object.values(document.paths).flatMap((path) => Object.keys(path)).length;
    for (const [name, options] of SHOWN) {
      const page = await open(options);
      assert.equal(await page.locator(".opblock").count(), count, name);
      assert.equal(await page.evaluate(overflows), false, name);
      await screenshot(page, `${name}-api`);
      const block = await unfold(page, "get", "/health");
      await block.scrollIntoViewIfNeeded();
      assert.equal(await page.evaluate(overflows), false, name);
      await screenshot(page, `${name}-api-operation`);
      assert.ok(page.asked.every((url) => url.startsWith(server.origin) || url.startsWith("data:")), page.asked.join("\n"));
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
  });

  test("health is asked without a token", async () => {
    const page = await open();
    const { status, body } = await execute(await unfold(page, "get", "/health"));
    assert.equal(status, 200);
    assert.match(body, /"live_broadcasts": 0/);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test("with the admin token what is the operator's is answered, and without it refused", async () => {
    const page = await open();
    const block = await unfold(page, "get", "/api/v1/users");
    assert.equal((await execute(block)).status, 401);
    await page.locator(".auth-wrapper .authorize").first().click();
    const scheme = page.locator(".auth-container", { hasText: "admin_token" });
    await scheme.locator("input").fill(server.adminToken);
    await screenshot(page, "desktop-dark-api-authorize");
    await scheme.locator(".authorize").click();
    await scheme.locator(".btn-done").click();
    const { status, body } = await execute(block);
    assert.equal(status, 200, body);
    assert.match(body, /"items": \[\]/);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test("who logs in there is known by the cookie", async () => {
    const answer = await fetch(`${server.origin}/api/v1/users`, {
      method: "POST",
      headers: { authorization: `Bearer ${server.adminToken}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "mona", email: "mona@example.org", password: PASSWORD }),
    });
    assert.equal(answer.status, 201);
    const page = await open();
    const session = await unfold(page, "post", "/api/v1/session");
    const credentials = { login: "mona", password: PASSWORD, cookies: true };
    await session.locator("textarea").fill(JSON.stringify(credentials));
    assert.equal((await execute(session)).status, 200);
    const { status, body } = await execute(await unfold(page, "get", "/api/v1/me"));
    assert.equal(status, 200, body);
    assert.match(body, /"name": "mona"/);
    const profile = await unfold(page, "patch", "/api/v1/me");
    await profile.locator("textarea").fill('{"bio": "Harbours and boats."}');
    assert.equal((await execute(profile)).status, 200);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
});
