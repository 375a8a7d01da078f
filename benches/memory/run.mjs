// Memory of a server that is live for ten minutes: resident set at minute two and at the end, with
// a 1080p publisher and a viewer that takes every segment of every rendition.
//
//   node benches/memory/run.mjs [--seconds 600]
//
// The server has its default settings unless `MILLRACE_…` variables say otherwise, and is
// `MILLRACE_BIN` or the release build. Exit code 1 where the end is over 5 % above minute two.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { binary, startServer } from "../../tests/browser/rig.mjs";

const GROWTH_MAX = 1.05;
const SAMPLE_EVERY_MS = 2000;
/** By then every window is full: ten segments of two seconds, and as many behind them. */
const SETTLED_S = 120;
/** One reading says little: the window breathes by a segment. */
const AVERAGED_S = 20;
const RENDITIONS = ["1080p", "720p", "480p", "360p", "audio"];

const { values: options } = parseArgs({ options: { seconds: { type: "string", default: "600" } } });
const seconds = Number(options.seconds);
const settings = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => name.startsWith("MILLRACE_") && name !== "MILLRACE_BIN"),
);

const server = await startServer(settings, binary(["release"]));
const stream = await server.createStream("Memory");
const publisher = spawn("ffmpeg", ["-nostdin", "-v", "error", "-re", "-stream_loop", "-1", "-i", source(),
  "-c", "copy", "-f", "flv", stream.url], { stdio: "inherit" });
try {
  const samples = await watch();
  const mean = (fromS) => {
    const span = samples.filter(({ atS }) => atS >= fromS && atS < fromS + AVERAGED_S);
    return span.reduce((sum, { mib }) => sum + mib, 0) / span.length;
  };
  const [settled, end] = [mean(SETTLED_S), mean(seconds - AVERAGED_S)];
  for (let minute = 0; minute * 60 < seconds - AVERAGED_S; minute += 1) {
    console.log(`minute ${minute}: ${mean(minute * 60).toFixed(1)} MiB`);
  }
  console.log(`minute two ${settled.toFixed(1)} MiB, end ${end.toFixed(1)} MiB, ratio ${(end / settled).toFixed(3)}`);
  process.exitCode = end / settled <= GROWTH_MAX ? 0 : 1;
} finally {
  publisher.kill("SIGTERM");
  await once(publisher, "exit");
  await server.stop();
}

/** Resident MiB over time, while a viewer watches. */
async function watch() {
  const begun = performance.now();
  const atS = () => (performance.now() - begun) / 1000;
  const samples = [];
  const seen = new Set();
  while (atS() < seconds) {
    if (publisher.exitCode !== null) {
      throw new Error("the publisher ended: nothing was measured");
    }
    for (const rendition of RENDITIONS) {
      await takeNewSegments(rendition, seen);
    }
    samples.push({ atS: atS(), mib: residentMib(server.pid) });
    await sleep(SAMPLE_EVERY_MS);
  }
  if (seen.size < (RENDITIONS.length * seconds) / 4) {
    throw new Error(`the viewer got ${seen.size} segments only`);
  }
  return samples;
}

async function takeNewSegments(rendition, seen) {
  const folder = `${server.origin}/live/${stream.id}/${rendition}`;
  const playlist = await fetch(`${folder}/playlist.m3u8`);
  const lines = playlist.ok ? (await playlist.text()).split("\n") : [];
  for (const line of lines.filter((it) => it.endsWith(".m4s") && !seen.has(`${rendition}/${it}`))) {
    const segment = await fetch(`${folder}/${line}`);
    await segment.arrayBuffer();
    seen.add(`${rendition}/${line}`);
  }
}

function residentMib(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
}

/** Twenty seconds of 1080p30 with grain at 6 Mbit/s; made where it is not there yet. */
function source() {
  const folder = new URL("../../target/bench-memory/", import.meta.url).pathname;
  const file = join(folder, "source.mp4");
  mkdirSync(folder, { recursive: true });
  if (!existsSync(file)) {
    const made = spawnSync("ffmpeg", ["-nostdin", "-v", "error", "-y",
      "-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=30", "-f", "lavfi", "-i", "sine=sample_rate=48000",
      "-t", "20", "-vf", "noise=alls=12:allf=t,format=yuv420p", "-c:v", "libx264", "-preset", "superfast",
      "-b:v", "6M", "-maxrate", "6M", "-bufsize", "6M", "-g", "60", "-bf", "0", "-c:a", "aac", "-b:a", "128k",
      file], { stdio: "inherit" });
    if (made.status !== 0) {
      throw new Error("ffmpeg could not make the source");
    }
  }
  return file;
}
