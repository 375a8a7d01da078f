// Players that are not ours, each on a page of another origin: they play a live broadcast without a
// stall, take its delta updates, and change the size of the picture when they are told to.
//
// PLAYERS_SECONDS says for how long each one plays; `make test-minute` lets it be a minute.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { openPage, root, startBrowser, startPublisher, startServer } from "./rig.mjs";

const PLAY_MS = Number(process.env.PLAYERS_SECONDS ?? 8) * 1000;
const ATTEMPTS = 3;
/** A player that starts three segments behind live has 6 s to load first. */
const STARTS_WITHIN_MS = 20_000;

/** Two rungs of different sizes, which cost next to nothing. */
const LADDER = {
  MILLRACE_LADDER_RUNGS: "360p 640x360 700k, 180p 320x180 300k",
  MILLRACE_LADDER_PRESET: "ultrafast",
};

/**
 * Each player: its script, and what the page does with it. `load` plays the URL; `choose` asks for
 * the rendition of a height and for no other.
 */
const PLAYERS = [
  {
    name: "hls.js",
    script: "hls.js/dist/hls.min.js",
    load: `
      const hls = new Hls({ lowLatencyMode: true });
      hls.on(Hls.Events.ERROR, (_, data) => data.fatal && window.errors.push(data.details));
      hls.loadSource(url);
      hls.attachMedia(video);
      window.choose = (height) => {
        hls.currentLevel = hls.levels.findIndex((level) => level.height === height);
      };`,
  },
  {
    name: "Shaka Player",
    script: "shaka-player/dist/shaka-player.compiled.js",
    load: `
      shaka.polyfill.installAll();
      const player = new shaka.Player();
      player.addEventListener("error", ({ detail }) => window.errors.push("shaka " + detail.code));
      player.configure({ streaming: { lowLatencyMode: true } });
      player.attach(video).then(() => player.load(url)).then(
        () => video.play(),
        (error) => window.errors.push("shaka " + error.code),
      );
      window.choose = (height) => {
        player.configure({ abr: { enabled: false } });
        const track = player.getVariantTracks().find((track) => track.height === height);
        player.selectVariantTrack(track, true);
      };`,
  },
  {
    // Not in low latency: 8.24.1 begins with the first part of a segment, goes on with the first part
    // of the next one, and stands in the hole between them until it has sought over it.
    name: "video.js",
    script: "video.js/dist/video.min.js",
    load: `
      const player = videojs(video, { html5: { vhs: { llhls: false, overrideNative: true } } });
      player.on("error", () => window.errors.push("video.js " + player.error().message));
      player.src({ src: url, type: "application/vnd.apple.mpegurl" });
      window.choose = (height) => {
        for (const representation of player.tech({ IWillNotUseThisInPlugins: true }).vhs.representations()) {
          representation.enabled(representation.height === height);
        }
      };`,
  },
];

/** What a page measures of its video: from the first picture on, each wait is a stall. */
const MEASURE = `
  window.errors = [];
  window.stalls = [];
  const video = document.querySelector("#video");
  const url = new URLSearchParams(location.search).get("url");
  let playing = false;
  video.addEventListener("timeupdate", () => (playing ||= video.currentTime > 0 && video.readyState > 2));
  video.addEventListener("waiting", () => playing && !video.seeking && window.stalls.push(video.currentTime));
`;

const page = ({ script, load }) => `<!doctype html>
<title>player</title>
<video id="video" class="video-js" width="640" height="360" autoplay muted></video>
<script src="/${script}"></script>
<script>${MEASURE}${load}</script>`;

/** Serves the pages and the players' own files. */
async function serve() {
  const files = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname.slice(1));
    const player = PLAYERS.find(({ name }) => name === path);
    const body = player ? page(player) : await readFile(join(root, "web/node_modules", path)).catch(() => null);
    const type = player ? "text/html" : "text/javascript";
    response.writeHead(body === null ? 404 : 200, { "content-type": type }).end(body ?? "");
  });
  files.listen(0, "127.0.0.1");
  await once(files, "listening");
  return files;
}

describe("other players", { timeout: 120_000 + PLAYERS.length * (ATTEMPTS * PLAY_MS + 60_000) }, () => {
  let [server, browser, files, stream, publisher] = [];

  before(async () => {
    [server, browser, files] = await Promise.all([startServer(LADDER), startBrowser(), serve()]);
    stream = await server.createStream("Players");
    publisher = startPublisher(stream);
  });

  after(async () => {
    await publisher?.stop();
    await browser?.close();
    files?.close();
    await server?.stop();
  });

  for (const { name } of PLAYERS) {
    test(`${name} plays without a stall and changes its rendition`, async () => {
      const url = `${server.origin}/live/${stream.id}/master.m3u8`;
      await live(url);
      const origin = `http://127.0.0.1:${files.address().port}`;
      const player = await openPage(browser, `${origin}/${name}?url=${encodeURIComponent(url)}`);
      const reloads = { delta: 0, blocking: 0 };
      player.on("request", (request) => {
        reloads.blocking += request.url().includes("_HLS_msn=") ? 1 : 0;
        reloads.delta += request.url().includes("_HLS_skip=YES") ? 1 : 0;
      });
      const plays = () => player.waitForFunction(
        () => {
          const video = document.querySelector("video");
          return window.errors.length > 0 || (video.readyState > 2 && video.currentTime > 0);
        },
        null,
        { timeout: STARTS_WITHIN_MS },
      );
      await plays();
      const seen = () => player.evaluate(() => {
        const video = document.querySelector("video");
        const quality = video.getVideoPlaybackQuality();
        const { currentTime, videoHeight } = video;
        const { errors, stalls } = window;
        const atMs = performance.now();
        return { atMs, errors, stalls: stalls.length, currentTime, videoHeight, frames: quality.totalVideoFrames };
      });
      // What is wrong with a player or with us is wrong each time, and a machine that was busy is not.
      const watched = [await seen()];
      let [before, after] = [];
      do {
        before = watched.at(-1);
        await player.waitForTimeout(PLAY_MS);
        after = await seen();
        watched.push(after);
      } while (after.stalls > before.stalls && watched.length <= ATTEMPTS);
      const told = JSON.stringify({ watched, reloads });
      assert.deepEqual(after.errors, [], told);
      assert.equal(after.stalls, before.stalls, told);
      // It may play a little faster or slower to keep its distance to the live edge.
      const rate = ((after.currentTime - before.currentTime) * 1000) / (after.atMs - before.atMs);
      assert.ok(rate > 0.85 && rate < 1.3, told);
      if (name === "hls.js") {
        assert.ok(reloads.blocking > 0 && reloads.delta > 0, told);
      }

      const other = after.videoHeight === 360 ? 180 : 360;
      await player.evaluate((height) => window.choose(height), other);
      await player.waitForFunction(
        (height) => document.querySelector("video").videoHeight === height,
        other,
        { timeout: STARTS_WITHIN_MS },
      );
      const switched = await seen();
      assert.deepEqual(switched.errors, [], JSON.stringify(switched));
      console.log(`${name}: ${told}`);
      await player.context().close();
    });
  }
});

/** Waits until there is something to play. */
async function live(url) {
  const deadline = performance.now() + STARTS_WITHIN_MS;
  while ((await fetch(url)).status !== 200) {
    assert.ok(performance.now() < deadline, "it does not go live");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
