// Glass to glass beside what self-hosters run today (nginx-rtmp with FFmpeg making the same ladder,
// 2 s fragments, hls.js as it comes), same source, same machine, one after the other; and where
// Millrace's time goes, by its own figures.
//
//   node benches/latency/run.mjs [--seconds 60] [--rounds 3] [--parts 333,200,100]

import { parseArgs } from "node:util";
import { latencies, measureMillrace, watch } from "../glass/measure.mjs";
import { stackPlot } from "../plot.mjs";
import { machineLoad, median, table, writeResults } from "../results.mjs";
import { freePort, run } from "../servers.mjs";
import { startPeer } from "./peer.mjs";

const SOURCE = { size: "1280x720", fps: 30, kbps: 3000 };
/** What both encode with: Millrace's own choice on two cores. */
const PRESET = "superfast";
const PEER_FRAGMENT_S = 2;
/** The goals for the median, by part length. */
const GOALS_MS = { 333: 1500, 200: 1000 };

const { values: options } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    rounds: { type: "string", default: "3" },
    parts: { type: "string", default: "333,200,100" },
  },
});
const seconds = Number(options.seconds);
const parts = options.parts.split(",").map(Number);
const loadBefore = machineLoad();

const rounds = [];
for (let index = 0; index < Number(options.rounds); index += 1) {
  const round = { peer: await peer() };
  said("nginx-rtmp", round.peer);
  for (const part of parts) {
    round[part] = await millrace(part);
    said(`Millrace, ${part} ms`, round[part]);
  }
  rounds.push(round);
}
report();

async function peer() {
  const servers = await startPeer({ fragment_s: PEER_FRAGMENT_S, fps: SOURCE.fps, preset: PRESET });
  try {
    const measured = await watch({
      url: servers.page,
      publishTo: servers,
      source: SOURCE,
      seconds,
      pids: servers.pids,
      plays: async (page) => {
        await servers.run();
        await page.evaluate(() => window.start());
        await page.waitForFunction(() => window.glass.frames > 0, null, { timeout: 60_000 });
      },
      own: (page) => page.evaluate(() => ({ stalls: window.stalls })),
    });
    return summary(measured);
  } finally {
    await servers.stop();
  }
}

async function millrace(part) {
  const metrics = `127.0.0.1:${await freePort()}`;
  const settings = { MILLRACE_HLS_PART_MS: `${part}`, MILLRACE_LADDER_PRESET: PRESET };
  const measured = await measureMillrace({ settings, source: SOURCE, seconds, metrics });
  return { ...summary(measured), stages: stages(measured) };
}

function summary({ glass, own, cpuCores, publishedMs }) {
  const { p50, p95, max } = latencies(glass);
  return { p50, p95, max, stalls: own.stalls, cpuCores, firstMs: glass.firstFrameMs - publishedMs };
}

/**
 * The mean of each stage in milliseconds, of the rendition that was shown; what is left of the median
 * is the publisher's own and the screen's. The player keeps its distance from where the live edge is,
 * not from the playlist's end, which is older by half a part in the mean: that half is the part's.
 */
function stages({ glass, own }) {
  const { p50 } = latencies(glass);
  const mean = (stage) => {
    const of = (what) => {
      const shown = stage === "intake" ? "" : ',rendition="720p"';
      const line = new RegExp(`^millrace_stage_duration_seconds_${what}\\{[^}]*stage="${stage}"${shown}\\} (\\S+)$`, "m");
      return Number(line.exec(own.figures)?.[1]);
    };
    return (of("sum") / of("count")) * 1000;
  };
  const halfPart = mean("part") / 2;
  const inside = {
    intake: mean("intake"),
    encode: mean("encode"),
    "half a part": halfPart,
    publish: mean("publish"),
    "hold-back": own.targetLatencyMs - halfPart,
  };
  const rest = p50 - Object.values(inside).reduce((sum, ms) => sum + ms, 0);
  return { ...inside, "publisher, player": rest };
}

function said(name, { p50, p95, max, stalls, cpuCores }) {
  console.log(`${name.padEnd(18)} p50 ${p50} p95 ${p95} max ${max} ms, ${stalls} stalls, ${cpuCores.toFixed(2)} cores`);
}

function report() {
  const of = (key, what) => median(rounds.map((round) => round[key][what]));
  const row = (name, key) => [
    name, ...["p50", "p95", "max", "firstMs"].map((what) => `${of(key, what)}`),
    `${rounds.reduce((sum, round) => sum + round[key].stalls, 0)}`,
    of(key, "cpuCores").toFixed(2),
    key === "peer" ? "" : median(rounds.map((round) => round[key].p50 / round.peer.p50)).toFixed(2),
    GOALS_MS[key] ? `${GOALS_MS[key]}, ${of(key, "p50") <= GOALS_MS[key] ? "reached" : "missed"}` : "",
  ];
  const names = Object.keys(rounds[0][parts[0]].stages);
  const stage = (part, name) => median(rounds.map((round) => round[part].stages[name]));
  const lines = [
    ...table(
      ["", "p50, ms", "p95", "max", "publishing to picture", "stalls", "cores", "p50 to the peer's", "goal"],
      [...parts.map((part) => row(`Millrace, parts of ${part} ms`, part)), row(`nginx-rtmp, FFmpeg, fragments of ${PEER_FRAGMENT_S} s`, "peer")],
    ),
    "",
    "Where Millrace's time goes, in ms (means of its own stages; the rest is the publisher's encoder and the browser's, less the up to 50 ms that the page may be nearer than it aims at):",
    "",
    ...table(["", ...names], parts.map((part) => [`parts of ${part} ms`, ...names.map((name) => stage(part, name).toFixed(1))])),
  ];
  writeResults({
    name: "latency",
    title: "Glass to glass",
    command: `make bench-latency ARGS="--seconds ${options.seconds} --rounds ${options.rounds} --parts ${options.parts}"`,
    versions: {
      Millrace: run("git", ["describe", "--always", "--dirty"]).trim(),
      ffmpeg: /version (\S+)/.exec(run("ffmpeg", ["-version"]))[1],
    },
    load: loadBefore,
    lines,
    plot: {
      alt: "Glass-to-glass delay by stage, for each part length and for the peer",
      svg: stackPlot({
        title: "Glass to glass, median",
        y: { label: "milliseconds" },
        series: [...names, "peer"],
        groups: [
          ...parts.map((part) => ({ name: `parts of\n${part} ms`, values: [...names.map((name) => stage(part, name)), 0] })),
          { name: "nginx-rtmp\nand FFmpeg", values: [...names.map(() => 0), of("peer", "p50")] },
        ],
      }),
    },
  });
  console.log(lines.join("\n"));
  process.exitCode = parts.every((part) => rounds.every((round) => round[part].stalls === 0)) ? 0 : 1;
}
