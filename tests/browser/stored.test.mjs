// What is left of a broadcast, in Chromium, on a page of another origin: the download by the browser's
// own means, the playlists by hls.js. Each is played, sought in both directions, and played to its
// end; so is the video that is made of it, with its subtitles.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  SMALL_LADDER,
  openPage,
  root,
  startBrowser,
  startElsewhere,
  startPublisher,
  startServer,
  until,
} from "./rig.mjs";

/** Whole segments that are seen before the broadcast ends: 6 s, and more comes until it has. */
const SEGMENTS = 3;
const SEGMENT_S = 2;
/** Forward, where nothing is buffered yet perhaps, and back. */
const SEEKS_S = [5, 1.5];
/** Anything that a player does with some seconds of media, on a busy machine. */
const WITHIN_MS = 20_000;
const SUBTITLES = "WEBVTT\n\n00:00.500 --> 00:02.500\nGuten Morgen\n";

/** Runs in the page: plays its video, seeks to the given times, and lets it end; what was seen. */
async function playThrough({ times, withinMs }) {
  const video = document.querySelector("video");
  const within = (what, begin) =>
    new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`${what}: not done at ${video.currentTime}`)), withinMs);
      video.addEventListener("error", () => reject(new Error(video.error.message)), { once: true });
      begin(resolve);
    });
  const event = (name) => within(name, (done) => video.addEventListener(name, done, { once: true }));
  const plays = (to) =>
    within(`plays to ${to}`, (done) => {
      const look = () => (video.currentTime > to ? done() : setTimeout(look, 20));
      look();
    });
  // By the picture's own time, since the clock of a busy machine runs on between two looks.
  const shows = (to) =>
    within(`shows ${to}`, (done) => {
      const look = (_, { mediaTime }) => (Math.abs(mediaTime - to) < 0.05 ? done() : next());
      const next = () => video.requestVideoFrameCallback(look);
      next();
      video.currentTime = to;
    });
  video.muted = true;
  if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) {
    await event("loadeddata");
  }
  await video.play();
  await plays(0);
  for (const time of times) {
    video.pause();
    await shows(time);
    await video.play();
    await plays(time + 0.2);
  }
  const ended = event("ended");
  video.currentTime = video.duration - 1;
  await ended;
  // Only now: until hls.js has the sound, which may be longer, it goes by the pictures alone.
  const { currentTime: end, duration, videoWidth, videoHeight } = video;
  const cues = [...video.textTracks].flatMap((track) => [...(track.cues ?? [])]);
  return { subtitles: cues.map((cue) => cue.text), duration, size: [videoWidth, videoHeight], end };
}

/** Runs in the page: plays by the browser's own means. */
function playFile(url) {
  document.querySelector("video").src = url;
}

/** Runs in the page, where hls.js is. */
function playPlaylist(url) {
  const hls = new window.Hls();
  hls.on(window.Hls.Events.ERROR, (_, data) => {
    // The rest it mends itself: what it gave up to seek, and waits on a busy machine.
    if (data.fatal || /append|parsing|codec|gap/i.test(data.details)) {
      window.errors.push(data.details);
    }
  });
  hls.loadSource(url);
  hls.attachMedia(document.querySelector("video"));
}

describe("what is stored", { timeout: 240_000 }, () => {
  let [server, browser, elsewhere, recording] = [];

  before(async () => {
    [server, browser, elsewhere] = await Promise.all([
      startServer(SMALL_LADDER),
      startBrowser(),
      startElsewhere("<video></video>"),
    ]);
    recording = await record(await server.createStream("Harbour"));
  });

  after(async () => {
    await browser?.close();
    elsewhere?.stop();
    await server?.stop();
  });

  /** A short broadcast, and what the API says of its recording. */
  async function record(stream) {
    const publisher = startPublisher(stream, { size: "320x180" });
    try {
      const playlist = `${server.origin}/live/${stream.id}/180p/playlist.m3u8`;
      const segments = async () => (await (await fetch(playlist)).text()).match(/^#EXTINF/gm)?.length ?? 0;
      await until("there is enough of it", async () => (await segments()) >= SEGMENTS, WITHIN_MS);
    } finally {
      await publisher.stop();
    }
    let found = [];
    await until("its recording plays", async () => {
      ({ items: found } = await server.api("GET", `recordings?stream_id=${stream.id}&status=ready`));
      return found.length > 0;
    }, WITHIN_MS);
    assert.ok(found[0].duration_ms >= SEGMENTS * SEGMENT_S * 1000, JSON.stringify(found));
    return found[0];
  }

  /** Plays what is stored as `media` by `load`; what was seen. */
  async function plays(media, load, url) {
    const page = await openPage(browser, elsewhere.origin);
    await page.addScriptTag({ path: join(root, "web/node_modules/hls.js/dist/hls.min.js") });
    await page.evaluate(() => (window.errors = []));
    await page.evaluate(load, url);
    const seen = await page.evaluate(playThrough, { times: SEEKS_S, withinMs: WITHIN_MS }).catch(async (error) => {
      const errors = await page.evaluate(() => window.errors);
      throw new Error(`${error.message}; ${errors}; ${page.complaints}`, { cause: error });
    });
    const told = JSON.stringify(seen);
    assert.ok(Math.abs(seen.duration * 1000 - media.duration_ms) < 50, `${told} of ${media.duration_ms} ms`);
    assert.ok(Math.abs(seen.end - seen.duration) < 0.1, told);
    assert.deepEqual(page.complaints, []);
    assert.deepEqual(await page.evaluate(() => window.errors), []);
    await page.context().close();
    return seen;
  }

  test("a recording's download plays, seeks and ends", async () => {
    const seen = await plays(recording, playFile, recording.playback.download["180p"]);
    assert.deepEqual(seen.size, [320, 180]);
  });

  test("a recording plays, seeks and ends in hls.js", async () => {
    await plays(recording, playPlaylist, recording.playback.hls);
  });

  test("a video that was made of it plays with its subtitles", async () => {
    const video = await server.api("POST", "videos", { recording_id: recording.id, title: "Harbour at dawn" });
    await server.api("POST", `videos/${video.id}/subtitles?language=de&label=Deutsch&default=true`, SUBTITLES);
    const seen = await plays(video, playPlaylist, video.playback.hls);
    assert.deepEqual(seen.subtitles, ["Guten Morgen"]);
    const { url } = video.playback.download.find(({ rendition }) => rendition === "180p");
    await plays(video, playFile, url);
  });
});
