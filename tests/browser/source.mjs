// A publisher with the wall clock in its picture, and the reading of that clock from a canvas.
//
// Run by itself it is the publisher: it paints frames in real time, each with the moment at which
// it was painted, and pipes them through ffmpeg to an ingest address:
//   node source.mjs --url rtmp://127.0.0.1:1935/live/KEY [--size 1280x720] [--fps 30] [--kbps 3000]
// In a process of its own, so that neither a test nor a browser's driver delays a frame.
//
// The clock is 24 bits of milliseconds since the epoch and 8 bits to check them, as two rows of 16
// black or white cells at the top of the picture. It wraps after 4.6 hours.

import { spawn } from "node:child_process";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const COLUMNS = 16;
const ROWS = 2;
/** The clock wraps here. */
export const CLOCK_PERIOD_MS = 2 ** 24;
/** Where the cells lie, as fractions of the picture, so that every rung has them. */
const CLOCK_WIDTH = 0.8;
const CLOCK_HEIGHT = 0.18;
/** Frames that may wait for ffmpeg: on a busy machine it falls behind, and must catch up again. */
const FRAMES_BEHIND_MAX = 90;

const checkOf = (ms) => ((ms >> 16) ^ (ms >> 8) ^ ms ^ 0x5a) & 0xff;

/** Paints `ms` into the luma plane of an I420 frame. */
function paintClock(luma, width, height, ms) {
  const cellWidth = Math.floor((width * CLOCK_WIDTH) / COLUMNS);
  const cellHeight = Math.floor((height * CLOCK_HEIGHT) / ROWS);
  const cells = BigInt(ms % CLOCK_PERIOD_MS) * 256n + BigInt(checkOf(ms % CLOCK_PERIOD_MS));
  for (let row = 0; row < ROWS; row += 1) {
    const top = row * cellHeight * width;
    for (let column = 0; column < COLUMNS; column += 1) {
      const bit = (cells >> BigInt(COLUMNS * ROWS - 1 - (row * COLUMNS + column))) & 1n;
      luma.fill(bit ? 235 : 16, top + column * cellWidth, top + (column + 1) * cellWidth);
    }
    for (let line = 1; line < cellHeight; line += 1) {
      luma.copyWithin(top + line * width, top, top + cellWidth * COLUMNS);
    }
  }
}

/**
 * Runs in the page: starts to read the clock from the element `#video`, a few times a second, and
 * keeps what it saw in `window.glass`. It stands alone because it is sent as source text.
 */
export function readClockInPage({ everyMs }) {
  const [columns, rows, clockWidth, clockHeight, period] = [16, 2, 0.8, 0.18, 2 ** 24];
  const [scale, video] = [4, document.querySelector("#video")];
  const canvas = new OffscreenCanvas(columns * scale, rows * scale);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const glass = { samples: [], unread: 0, frames: 0, gapMaxMs: 0, levels: [], firstFrameMs: null };
  window.glass = glass;
  let [readAtMs, frameAtMs] = [0, null];

  const readClock = () => {
    const { videoWidth: width, videoHeight: height } = video;
    const cellWidth = Math.floor((width * clockWidth) / columns);
    const cellHeight = Math.floor((height * clockHeight) / rows);
    const [clockW, clockH] = [cellWidth * columns, cellHeight * rows];
    context.drawImage(video, 0, 0, clockW, clockH, 0, 0, canvas.width, canvas.height);
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    let [ms, check] = [0, 0];
    for (let cell = 0; cell < columns * rows; cell += 1) {
      const x = (cell % columns) * scale + scale / 2;
      const y = Math.floor(cell / columns) * scale + scale / 2;
      const bit = data[(y * canvas.width + x) * 4] > 127 ? 1 : 0;
      if (cell < 24) {
        ms = ms * 2 + bit;
      } else {
        check = check * 2 + bit;
      }
    }
    return check === (((ms >> 16) ^ (ms >> 8) ^ ms ^ 0x5a) & 0xff) ? ms : null;
  };

  const onFrame = () => {
    const nowMs = Date.now();
    glass.frames += 1;
    glass.firstFrameMs ??= nowMs;
    if (frameAtMs !== null) {
      glass.gapMaxMs = Math.max(glass.gapMaxMs, nowMs - frameAtMs);
    }
    frameAtMs = nowMs;
    if (nowMs - readAtMs >= everyMs) {
      readAtMs = nowMs;
      const painted = readClock();
      if (painted === null) {
        glass.unread += 1;
      } else {
        const latencyMs = (((nowMs - painted) % period) + period) % period;
        glass.samples.push({ atMs: nowMs, latencyMs, height: video.videoHeight });
      }
    }
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
  const noteLevel = () => {
    const level = document.body.dataset.level ?? null;
    if (level !== null && level !== glass.levels.at(-1)?.level) {
      glass.levels.push({ atMs: Date.now(), level });
    }
  };
  new MutationObserver(noteLevel).observe(document.body, { attributeFilter: ["data-level"] });
  noteLevel();
}

/** A still picture with enough detail to cost an encoder something. */
function background(width, height) {
  const frame = Buffer.alloc((width * height * 3) / 2, 128);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const wave = Math.sin(x / 23 + y / 61) * 30 + Math.sin(x / 7 - y / 11) * 12;
      frame[y * width + x] = 70 + Math.round((y / height) * 70 + wave);
    }
  }
  const [chromaWidth, chromaHeight] = [width / 2, height / 2];
  for (let y = 0; y < chromaHeight; y += 1) {
    for (let x = 0; x < chromaWidth; x += 1) {
      const at = width * height + y * chromaWidth + x;
      frame[at] = 140 + Math.round((x / chromaWidth) * 24);
      frame[at + chromaWidth * chromaHeight] = 120 - Math.round((y / chromaHeight) * 24);
    }
  }
  return frame;
}

/** SRT's messages are whole packets of a transport stream. */
const srtMessages = (url) => (url.startsWith("srt:") ? `${url}&pkt_size=1316` : url);

/** Packets of AAC in a second of 48 kHz. */
const AAC_PACKETS = 48_000 / 1024;

/** Ticks in a second of what the timestamps are written in. */
const TICKS = { flv: 1000, mpegts: 90_000 };

/** Shifts the timestamps of all packets from the nth on, by so many ticks. */
const shift = (track, from, by) => [`-bsf:${track}`, `setts=ts=TS+gte(N\\,${Math.round(from)})*${by}`];

function ffmpegArguments({ width, height, fps, kbps, url, jumpAtS, jumpByS }) {
  const format = url.startsWith("srt:") ? "mpegts" : "flv";
  // The tone has no pace of its own: ffmpeg takes as much of it as there is picture.
  return [
    ["-hide_banner", "-nostdin", "-loglevel", "error", "-fflags", "nobuffer"],
    ["-f", "rawvideo", "-pixel_format", "yuv420p", "-video_size", `${width}x${height}`],
    ["-framerate", `${fps}`, "-i", "pipe:0", "-f", "lavfi", "-i", "sine=frequency=330:sample_rate=48000"],
    ["-map", "0:v", "-map", "1:a", "-af", "volume=0.1", "-c:a", "aac", "-b:a", "128k"],
    ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-threads", "1"],
    ["-g", `${fps * 2}`, "-b:v", `${kbps}k`, "-maxrate", `${kbps}k`, "-bufsize", `${kbps}k`],
    jumpByS ? shift("v", jumpAtS * fps, jumpByS * TICKS[format]) : [],
    jumpByS ? shift("a", jumpAtS * AAC_PACKETS, jumpByS * TICKS[format]) : [],
    ["-flush_packets", "1", "-f", format, srtMessages(url)],
  ].flat();
}

async function publish(options) {
  const { width, height, fps } = options;
  const ffmpeg = spawn("ffmpeg", ffmpegArguments(options), { stdio: ["pipe", "inherit", "inherit"] });
  ffmpeg.on("exit", (code) => process.exit(code ?? 1));
  ffmpeg.stdin.on("error", () => undefined);
  // ffmpeg ends its stream in order at a signal, but not while it waits for a frame.
  for (const signal of ["SIGTERM", "SIGINT"]) {
    process.on(signal, () => {
      ffmpeg.kill("SIGTERM");
      ffmpeg.stdin.end();
    });
  }
  const signals = { crash: "SIGKILL", freeze: "SIGSTOP", thaw: "SIGCONT" };
  let frozen = false;
  process.on("message", (message) => {
    frozen = message === "freeze";
    ffmpeg.kill(signals[message]);
  });
  const still = background(width, height);
  let behindMax = 0;
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  let startMs = performance.now();
  for (let index = 0; !ffmpeg.stdin.writableEnded; index += 1) {
    // A machine that stands still paints nothing.
    const sinceMs = performance.now();
    while (frozen) {
      await sleep(20);
    }
    startMs += performance.now() - sinceMs;
    const dueMs = startMs + (index * 1000) / fps;
    await sleep(dueMs - performance.now());
    const frame = Buffer.from(still);
    // A light that runs through the lower half.
    const side = Math.floor(height / 6) & ~1;
    const left = Math.floor(((index / fps / 4) % 1) * (width - side));
    const top = Math.floor(height * (0.62 + 0.12 * Math.sin(index / fps)));
    for (let line = top; line < top + side; line += 1) {
      frame.fill(225, line * width + left, line * width + left + side);
    }
    paintClock(frame, width, height, Date.now());
    const behind = Math.floor(ffmpeg.stdin.writableLength / frame.length);
    if (behind > FRAMES_BEHIND_MAX) {
      process.stderr.write("source: ffmpeg does not keep up, the machine is too busy for this size\n");
      ffmpeg.kill("SIGTERM");
      return;
    }
    if (behind > behindMax) {
      behindMax = behind;
      process.send?.({ behindMaxMs: Math.round((behindMax * 1000) / fps) });
    }
    if (!ffmpeg.stdin.writableEnded) {
      ffmpeg.stdin.write(frame);
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({
    options: {
      url: { type: "string" },
      size: { type: "string", default: "1280x720" },
      fps: { type: "string", default: "30" },
      kbps: { type: "string", default: "3000" },
      "jump-at": { type: "string", default: "0" },
      "jump-by": { type: "string", default: "0" },
    },
  });
  const [width, height] = values.size.split("x").map(Number);
  const [fps, kbps] = [Number(values.fps), Number(values.kbps)];
  const jump = { jumpAtS: Number(values["jump-at"]), jumpByS: Number(values["jump-by"]) };
  await publish({ width, height, fps, kbps, url: values.url, ...jump });
}
