// Glass to glass: how old the picture on the watch page is, by a clock painted into the source and
// read back from the video element (never by the player's own estimate).
//
//   node benches/glass/run.mjs [--seconds 60] [--part-ms 333] [--size 1280x720] [--fps 30] [--json FILE]
//
// Server, publisher (ffmpeg, x264) and Chromium run on this machine; the server has its default
// settings unless `MILLRACE_…` variables say otherwise, and is `MILLRACE_BIN` or the release build.
// Prints a table and a line of JSON. Exit code 1 where a goal is missed: no stall, p95 at most 2 s.

import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { DESKTOP, binary, openPage, reaches, startBrowser, startPublisher, startServer, stats } from "../../tests/browser/rig.mjs";
import { readClockInPage } from "../../tests/browser/source.mjs";

const GOAL_MS = 2000;
/** Four a second: reading a frame back costs a software-rendered browser a few milliseconds. */
const READ_EVERY_MS = 250;
const CLOCK_TICKS_PER_S = 100;

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    "part-ms": { type: "string" },
    size: { type: "string", default: "1280x720" },
    fps: { type: "string", default: "30" },
    kbps: { type: "string", default: "3000" },
    json: { type: "string" },
    debug: { type: "boolean", default: false },
  },
});

const settings = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => name.startsWith("MILLRACE_") && name !== "MILLRACE_BIN"),
);
if (options["part-ms"]) {
  settings.MILLRACE_HLS_PART_MS = options["part-ms"];
}
const result = await measure();
report(result);
if (options.json) {
  writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
}
process.exitCode = result.stalls === 0 && result.latencyMs.p95 <= GOAL_MS ? 0 : 1;

async function measure() {
  const loadBefore = loadavg()[0];
  const server = await startServer(settings, binary(["release"]));
  const browser = await startBrowser();
  let publisher = null;
  try {
    const stream = await server.createStream("Glass to glass");
    const page = await openPage(browser, `${stream.page}${options.debug ? "?debug" : ""}`, DESKTOP);
    const console_ = [];
    page.on("console", (message) => options.debug && console_.push(`${Date.now()} ${message.text()}`));
    await page.evaluate(readClockInPage, { everyMs: READ_EVERY_MS });
    const publishedMs = Date.now();
    publisher = startPublisher(stream, {
      size: options.size,
      fps: Number(options.fps),
      kbps: Number(options.kbps),
    });
    await reaches(page, "playing", 30_000);
    const cpuBefore = cpuSeconds(server.pid);
    const startMs = Date.now();
    await page.waitForTimeout(Number(options.seconds) * 1000);
    if (publisher.hasEnded()) {
      throw new Error("the publisher ended during the measurement: nothing was measured");
    }
    const tookS = (Date.now() - startMs) / 1000;
    const cpu = (cpuSeconds(server.pid) - cpuBefore) / tookS;
    const glass = await page.evaluate(() => window.glass);
    const own = await stats(page);
    if (options.debug) {
      writeFileSync("glass-console.log", console_.join("\n"));
      writeFileSync("glass-server.log", server.log);
    }
    return summary({ glass, own, cpu, publishedMs, loadBefore, behindMaxMs: publisher.behindMaxMs() });
  } finally {
    await publisher?.stop();
    await browser.close();
    await server.stop();
  }
}

function summary({ glass, own, cpu, publishedMs, loadBefore, behindMaxMs }) {
  const latencies = glass.samples.map((sample) => sample.latencyMs).sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  const byTenSeconds = [];
  for (let from = glass.firstFrameMs; ; from += 10_000) {
    const span = glass.samples.filter(({ atMs }) => atMs >= from && atMs < from + 10_000);
    if (span.length === 0) {
      break;
    }
    const ordered = span.map((sample) => sample.latencyMs).sort((a, b) => a - b);
    byTenSeconds.push(ordered[Math.floor(ordered.length / 2)]);
  }
  return {
    source: `${options.size} ${options.fps} fps ${options.kbps} kbit/s`,
    settings,
    seconds: Number(options.seconds),
    samples: latencies.length,
    unread: glass.unread,
    latencyMs: { p50: at(0.5), p95: at(0.95), max: latencies.at(-1), min: latencies[0] },
    medianByTenSecondsMs: byTenSeconds,
    ownLatencyMs: own.latencyMs,
    targetLatencyMs: own.targetLatencyMs,
    stalls: own.stalls,
    stalledMs: own.stalledMs,
    jumps: own.jumps,
    frameGapMaxMs: glass.gapMaxMs,
    frames: own.frames,
    droppedFrames: own.droppedFrames,
    levels: glass.levels.map(({ atMs, level }) => `${level} at ${((atMs - glass.firstFrameMs) / 1000).toFixed(1)} s`),
    failures: own.lastFailure,
    fromPublishingToPictureMs: glass.firstFrameMs - publishedMs,
    serverCpuCores: Number(cpu.toFixed(2)),
    publisherBehindMaxMs: behindMaxMs,
    machine: { cores: cpus().length, loadBefore, loadAfter: loadavg()[0] },
  };
}

function report(result) {
  const { latencyMs } = result;
  const rows = [
    ["source", result.source],
    ["glass to glass p50 / p95 / max", `${latencyMs.p50} / ${latencyMs.p95} / ${latencyMs.max} ms`],
    ["  median of each 10 s", `${result.medianByTenSecondsMs.join(", ")} ms`],
    ["  samples (unreadable)", `${result.samples} (${result.unread})`],
    ["stalls, jumps to the live edge", `${result.stalls} (${result.stalledMs} ms), ${result.jumps}`],
    ["longest time between frames", `${result.frameGapMaxMs} ms`],
    ["frames shown / dropped", `${result.frames} / ${result.droppedFrames}`],
    ["quality", result.levels.join(", ")],
    ["publishing to first picture", `${result.fromPublishingToPictureMs} ms`],
    ["the page's own latency, target", `${result.ownLatencyMs}, ${result.targetLatencyMs} ms`],
    ["publisher's encoder late by at most", `${result.publisherBehindMaxMs} ms`],
    ["server's CPU", `${result.serverCpuCores} of ${result.machine.cores} cores`],
  ];
  for (const [name, value] of rows) {
    console.log(`${name.padEnd(38)}${value}`);
  }
  console.log(JSON.stringify(result));
}

/** User and system time of a process, from /proc/PID/stat (proc(5), fields 14 and 15). */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_S;
}
