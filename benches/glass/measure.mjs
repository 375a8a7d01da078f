// Measures how old the picture in a page is, by a clock painted into the source and read back from
// the video element: of Millrace's watch page, or of any page with a `#video`.

import { readFileSync, writeFileSync } from "node:fs";
import { DESKTOP, binary, openPage, reaches, startBrowser, startPublisher, startServer, stats } from "../../tests/browser/rig.mjs";
import { readClockInPage } from "../../tests/browser/source.mjs";

/** Four a second: reading a frame back costs a software-rendered browser a few milliseconds. */
const READ_EVERY_MS = 250;
const CLOCK_TICKS_PER_S = 100;
const PLAYS_WITHIN_MS = 60_000;

/**
 * Millrace with `settings` and its watch page for `seconds`, from the first picture on. `source` is
 * `{ size, fps, kbps }`. `metrics` is the address that its figures are read from, if any, while the
 * broadcast still runs.
 */
export async function measureMillrace({ settings, source, seconds, metrics = null, debug = false }) {
  const server = await startServer({ ...settings, ...(metrics && { MILLRACE_METRICS: metrics }) }, binary(["release"]));
  try {
    const stream = await server.createStream("Glass to glass");
    const console_ = [];
    const result = await watch({
      url: `${stream.page}${debug ? "?debug" : ""}`,
      publishTo: stream,
      source,
      seconds,
      pids: () => [server.pid],
      plays: (page) => reaches(page, "playing", PLAYS_WITHIN_MS),
      onConsole: (message) => debug && console_.push(`${Date.now()} ${message.text()}`),
      own: async (page) => ({ ...(await stats(page)), figures: await figuresAt(metrics) }),
    });
    if (debug) {
      writeFileSync("glass-console.log", console_.join("\n"));
      writeFileSync("glass-server.log", server.log);
    }
    return result;
  } finally {
    await server.stop();
  }
}

async function figuresAt(metrics) {
  return metrics && (await (await fetch(`http://${metrics}/metrics`)).text());
}

/**
 * Opens `url`, publishes `source` to `publishTo`, waits until `plays(page)` and reads the clock for
 * `seconds`. `pids()` are the processes whose CPU time is counted; `own(page)` is what the page says.
 */
export async function watch({ url, publishTo, source, seconds, pids, plays, own, onConsole = () => {} }) {
  const browser = await startBrowser();
  let publisher = null;
  try {
    const page = await openPage(browser, url, DESKTOP);
    page.on("console", onConsole);
    await page.evaluate(readClockInPage, { everyMs: READ_EVERY_MS });
    const publishedMs = Date.now();
    publisher = startPublisher(publishTo, source);
    await plays(page);
    const cpuBefore = cpuSeconds(pids());
    const startMs = Date.now();
    await page.waitForTimeout(seconds * 1000);
    if (publisher.hasEnded()) {
      throw new Error("the publisher ended during the measurement: nothing was measured");
    }
    const cpuCores = (cpuSeconds(pids()) - cpuBefore) / ((Date.now() - startMs) / 1000);
    const glass = await page.evaluate(() => window.glass);
    const said = await own(page);
    return { glass, own: said, cpuCores, publishedMs, behindMaxMs: publisher.behindMaxMs() };
  } finally {
    await publisher?.stop();
    await browser.close();
  }
}

/** Quantiles of what was read: of all samples, and the median of each ten seconds. */
export function latencies(glass) {
  const ordered = glass.samples.map((sample) => sample.latencyMs).sort((a, b) => a - b);
  const at = (share) => ordered[Math.min(ordered.length - 1, Math.floor(ordered.length * share))];
  const byTenSeconds = [];
  for (let from = glass.firstFrameMs; ; from += 10_000) {
    const span = glass.samples.filter(({ atMs }) => atMs >= from && atMs < from + 10_000);
    if (span.length === 0) {
      break;
    }
    const own = span.map((sample) => sample.latencyMs).sort((a, b) => a - b);
    byTenSeconds.push(own[Math.floor(own.length / 2)]);
  }
  return { p50: at(0.5), p95: at(0.95), max: ordered.at(-1), min: ordered[0], byTenSeconds };
}

/** User and system time of processes, from /proc/PID/stat (proc(5), fields 14 and 15). */
function cpuSeconds(pids) {
  const ofOne = (pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "").split(" ");
    return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_S;
  };
  return pids.reduce((sum, pid) => sum + ofOne(pid), 0);
}
