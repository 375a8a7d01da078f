// The library of others by which most uploads come, tus-js-client, in Node and on a page of another
// origin: what is sent in pieces, broken off and taken up again becomes a video of every picture.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { SMALL_LADDER, openPage, root, startBrowser, startElsewhere, startServer, until } from "./rig.mjs";

const tus = createRequire(join(root, "web/package.json"))("tus-js-client");
const run = promisify(execFile);

const FRAMES = 90;
const PIECES = 4;
/** For three seconds of small pictures. Encoding gives way to whatever else the machine does. */
const ENCODED_WITHIN_MS = 120_000;

/** A file of three seconds, with sound. */
async function makeFilm(path) {
  await run("ffmpeg", [
    ["-v", "error", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30"],
    ["-f", "lavfi", "-i", "sine=frequency=330:sample_rate=48000", "-t", `${FRAMES / 30}`],
    ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "2M", "-pix_fmt", "yuv420p", "-c:a", "aac", path],
  ].flat());
}

/** Runs an upload until it is complete, or has sent more than `breakOff` of the file's bytes. */
function send(source, options, breakOff = Infinity) {
  const requests = [];
  let video = null;
  const done = new Promise((resolve, reject) => {
    const upload = new tus.Upload(source, {
      ...options,
      onBeforeRequest: (request) => {
        requests.push({ method: request.getMethod(), offset: request.getHeader("Upload-Offset") });
      },
      onAfterResponse: (_, response) => {
        video ??= response.getHeader("Millrace-Video");
      },
      onProgress: (sent) => {
        if (sent > breakOff) {
          // Once these bytes are on their way: the server gets a part of a piece.
          setTimeout(() => upload.abort().then(() => resolve("broken off"), reject));
        }
      },
      onSuccess: () => resolve("complete"),
      onError: reject,
    });
    upload.findPreviousUploads().then((previous) => {
      if (previous.length > 0) {
        upload.resumeFromPreviousUpload(previous[0]);
      }
      upload.start();
    }, reject);
  });
  return done.then((end) => ({ end, requests, video }));
}

/**
 * Runs in the page, where tus-js-client is: as `send`, of the file that was chosen there. Breaks off
 * after so many pieces.
 */
function sendInPage({ endpoint, token, title, chunkSize, piecesMax }) {
  const requests = [];
  let [video, pieces] = [null, 0];
  const done = new Promise((resolve) => {
    const upload = new window.tus.Upload(document.querySelector("input").files[0], {
      endpoint,
      chunkSize,
      headers: { Authorization: `Bearer ${token}` },
      metadata: { title, filename: "film.mp4" },
      retryDelays: [],
      onBeforeRequest: (request) => requests.push(request.getMethod()),
      onAfterResponse: (_, response) => {
        video ??= response.getHeader("Millrace-Video");
      },
      onChunkComplete: () => {
        pieces += 1;
        if (pieces === piecesMax) {
          upload.abort().then(() => resolve("broken off"));
        }
      },
      onSuccess: () => resolve("complete"),
      onError: (error) => resolve(String(error)),
    });
    upload.findPreviousUploads().then((previous) => {
      if (previous.length > 0) {
        upload.resumeFromPreviousUpload(previous[0]);
      }
      upload.start();
    });
  });
  return done.then((end) => ({ end, requests, video }));
}

describe("tus-js-client", { timeout: 360_000 }, () => {
  let [folder, film, bytes, browser, allowed, other, server, closed] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "millrace-uploads-"));
    film = join(folder, "film.mp4");
    [browser, allowed, other] = await Promise.all([
      startBrowser(),
      startElsewhere("<input type=file>"),
      startElsewhere("<input type=file>"),
      makeFilm(film),
    ]);
    bytes = (await stat(film)).size;
    [server, closed] = await Promise.all([
      startServer({ ...SMALL_LADDER, MILLRACE_API_CORS_ORIGINS: allowed.origin }),
      startServer(SMALL_LADDER),
    ]);
  });

  after(async () => {
    await browser?.close();
    allowed?.stop();
    other?.stop();
    await Promise.all([server?.stop(), closed?.stop()]);
    await rm(folder, { recursive: true, force: true });
  });

  /** That a video is ready at last, and plays with every picture of the film. */
  async function plays(id, title) {
    let video = null;
    await until("the video is ready", async () => {
      video = await server.api("GET", `videos/${id}`);
      assert.notEqual(video.status, "failed", video.reason);
      return video.status === "ready";
    }, ENCODED_WITHIN_MS);
    assert.equal(video.title, title);
    assert.equal(video.source_name, "film.mp4");
    const { stdout, stderr } = await run("ffprobe", [
      ["-v", "error", "-select_streams", "v:0", "-count_frames"],
      ["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", video.playback.hls],
    ].flat());
    assert.equal(stderr, "");
    assert.equal(Number.parseInt(stdout, 10), FRAMES);
  }

  /** A page there, with the film chosen. */
  async function open(elsewhere) {
    const page = await openPage(browser, elsewhere.origin);
    await choose(page);
    return page;
  }

  async function choose(page) {
    await page.addScriptTag({ path: join(root, "web/node_modules/tus-js-client/dist/tus.min.js") });
    await page.setInputFiles("input", film);
  }

  const inPage = (to, title, piecesMax = 0) => ({
    endpoint: `${to.origin}/api/v1/uploads`,
    token: to.adminToken,
    title,
    chunkSize: Math.ceil(bytes / PIECES),
    piecesMax,
  });

  test("goes on in Node where another upload of the file was broken off", async () => {
    const title = "From a program";
    const options = {
      endpoint: `${server.origin}/api/v1/uploads`,
      chunkSize: Math.ceil(bytes / PIECES),
      headers: { Authorization: `Bearer ${server.adminToken}` },
      metadata: { title, filename: "film.mp4" },
      urlStorage: new tus.FileUrlStorage(join(folder, "uploads.json")),
    };
    // In the third piece: two are there for certain.
    const begun = await send(createReadStream(film), options, 2 * options.chunkSize);
    assert.equal(begun.end, "broken off");
    const resumed = await send(createReadStream(film), options);
    assert.equal(resumed.end, "complete");
    // While the server still takes in what was broken off it refuses more, and is asked again.
    const [first, ...pieces] = resumed.requests.filter(({ method }, index) => method !== "HEAD" || index === 0);
    assert.equal(first.method, "HEAD");
    assert.ok(pieces.length > 0 && pieces.every(({ method }) => method === "PATCH"), JSON.stringify(resumed));
    assert.ok(Number(pieces[0].offset) >= 2 * options.chunkSize, JSON.stringify(resumed));
    assert.equal(resumed.video, begun.video);
    await plays(begun.video, title);
  });

  test("goes on in a page of an allowed origin that was loaded anew", async () => {
    const title = "From a page";
    const page = await open(allowed);
    const begun = await page.evaluate(sendInPage, inPage(server, title, 1));
    assert.equal(begun.end, "broken off");
    assert.deepEqual(begun.requests, ["POST", "PATCH"]);
    await page.reload();
    await choose(page);
    const resumed = await page.evaluate(sendInPage, inPage(server, title));
    assert.equal(resumed.end, "complete");
    assert.deepEqual(resumed.requests, ["HEAD", "PATCH", "PATCH", "PATCH"]);
    // Also that a page may read the server's own header.
    assert.ok(begun.video !== null && resumed.video === begun.video, JSON.stringify([begun, resumed]));
    assert.deepEqual(page.complaints, []);
    await page.context().close();
    await plays(begun.video, title);
  });

  test("is refused by the browser in a page of any other origin", async () => {
    for (const [name, to, elsewhere] of [["not in the list", server, other], ["no list", closed, allowed]]) {
      const listed = await to.api("GET", "videos?owner=operator");
      const page = await open(elsewhere);
      const refused = await page.evaluate(sendInPage, inPage(to, name));
      assert.match(refused.end, /failed to create upload/, name);
      assert.match(page.complaints.join("\n"), /blocked by CORS policy/, name);
      const listedAfter = await to.api("GET", "videos?owner=operator");
      assert.deepEqual(listedAfter.items.map(({ id }) => id), listed.items.map(({ id }) => id), name);
      await page.context().close();
    }
  });
});
