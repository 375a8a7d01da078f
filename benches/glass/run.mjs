// Glass to glass: how old the picture on the watch page is, by a clock painted into the source and
// read back from the video element (never by the player's own estimate).
//
//   node benches/glass/run.mjs [--seconds 60] [--part-ms 333] [--size 1280x720] [--fps 30] [--json FILE]
//
// Server, publisher (ffmpeg, x264) and Chromium run on this machine; the server has its default
// settings unless `MILLRACE_…` variables say otherwise, and is `MILLRACE_BIN` or the release build.
// Prints a table and a line of JSON. Exit code 1 where a goal is missed: no stall, p95 at most 2 s.

import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { latencies, measureMillrace } from "./measure.mjs";

const GOAL_MS = 2000;

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
const loadBefore = loadavg()[0];
const result = summary(await measureMillrace({
  settings,
  source: { size: options.size, fps: Number(options.fps), kbps: Number(options.kbps) },
  seconds: Number(options.seconds),
  debug: options.debug,
}));
report(result);
if (options.json) {
  writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
}
process.exitCode = result.stalls === 0 && result.latencyMs.p95 <= GOAL_MS ? 0 : 1;

function summary({ glass, own, cpuCores, publishedMs, behindMaxMs }) {
  const { byTenSeconds, ...latencyMs } = latencies(glass);
  return {
    source: `${options.size} ${options.fps} fps ${options.kbps} kbit/s`,
    settings,
    seconds: Number(options.seconds),
    samples: glass.samples.length,
    unread: glass.unread,
    latencyMs,
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
    serverCpuCores: Number(cpuCores.toFixed(2)),
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
