// Plays a stored title in Chromium, on a page of another origin: the download by the browser's own
// means, the playlists by hls.js. Each is played, sought in both directions, and played to its end.
//
//     node tests/browser/stored.mjs http://127.0.0.1:8080/vod/{id} [rendition]

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import { openPage, root, startBrowser } from "./rig.mjs";

const [url, rendition = "180p"] = process.argv.slice(2);
assert.ok(url, "the URL of a title's folder is missing");

/** Anything that a player does with seven seconds of media, on a busy machine. */
const WITHIN_MS = 20_000;

/** Runs in the page: what happens to its video when it plays, seeks and ends. */
async function playThrough(withinMs) {
  const video = document.querySelector("video");
  const happens = (name) =>
    new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`${name} did not happen at ${video.currentTime}`)), withinMs);
      video.addEventListener(name, () => resolve(video.currentTime), { once: true });
      video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true });
    });
  const seek = async (to) => {
    const sought = happens("seeked");
    video.currentTime = to;
    await sought;
    await new Promise((shown) => video.requestVideoFrameCallback((_, frame) => shown(frame)));
    return video.currentTime;
  };
  video.muted = true;
  if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
    await happens("loadeddata");
  }
  const { duration, videoWidth, videoHeight } = video;
  await video.play();
  const forward = await seek(5);
  const back = await seek(1.5);
  await seek(duration - 1);
  const end = await happens("ended");
  const cues = [...video.textTracks].flatMap((track) => [...(track.cues ?? [])]);
  return { subtitles: cues.map((cue) => cue.text), duration, size: [videoWidth, videoHeight], forward, back, end };
}

async function plays(browser, name, load) {
  const page = await openPage(browser, origin);
  await load(page);
  const seen = await page.evaluate(playThrough, WITHIN_MS).catch(async (error) => {
    const errors = await page.evaluate(() => window.errors);
    throw new Error(`${name}: ${error.message}; ${errors}; ${page.complaints}`, { cause: error });
  });
  assert.ok(Math.abs(seen.duration - 7.04) < 0.05, `${name}: a duration of ${seen.duration} s`);
  assert.deepEqual(seen.size, [320, 180], name);
  assert.ok(seen.forward >= 5 && seen.forward < 6.5, `${name}: sought to 5 s, at ${seen.forward}`);
  assert.ok(seen.back >= 1.5 && seen.back < 3, `${name}: sought to 1.5 s, at ${seen.back}`);
  assert.ok(Math.abs(seen.end - seen.duration) < 0.1, `${name}: ended at ${seen.end}`);
  assert.deepEqual(page.complaints, [], name);
  assert.deepEqual(await page.evaluate(() => window.errors ?? []), [], name);
  console.log(name, JSON.stringify(seen));
  await page.close();
  return seen;
}

const pages = createServer((_, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end("<!doctype html><title>player</title><link rel=icon href='data:,'><video></video>");
});
pages.listen(0, "127.0.0.1");
await once(pages, "listening");
const origin = `http://127.0.0.1:${pages.address().port}/`;
const browser = await startBrowser();
try {
  await plays(browser, "download", (page) =>
    page.evaluate((src) => {
      document.querySelector("video").src = src;
    }, `${url}/${rendition}/download.mp4`),
  );
  const seen = await plays(browser, "hls.js", async (page) => {
    await page.addScriptTag({ path: join(root, "web/node_modules/hls.js/dist/hls.min.js") });
    await page.evaluate((src) => {
      window.errors = [];
      const hls = new window.Hls();
      hls.on(window.Hls.Events.ERROR, (_, data) => {
        // What it gave up itself, since it was told to seek.
        if (data.fatal || data.details !== "aborted") {
          window.errors.push(data.details);
        }
      });
      hls.loadSource(src);
      hls.attachMedia(document.querySelector("video"));
    }, `${url}/master.m3u8`);
  });
  console.log("subtitles", seen.subtitles);
} finally {
  await browser.close();
  pages.close();
}
