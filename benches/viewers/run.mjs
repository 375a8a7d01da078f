// How many viewers of one broadcast a core carries: each behaves as hls.js does in low-latency mode
// (blocking reloads of picture and sound, every part of both), over HTTP/1.1 on the loopback.
//
//   node benches/viewers/run.mjs [--viewers 1500,2500,3500,10000] [--seconds 15] [--pairs 3] [--no-hints] [--no-peer]
//
// Measured is the time from a part's birth to its last byte at each viewer, who starved, and what the
// server used. In turns: viewers as hls.js is, viewers that ask for hinted parts too, and nginx as a
// cache in front of Millrace on the same core, which is what a self-hoster puts there. Exit code 1
// where the goal is missed.

import { writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { linePlot } from '../plot.mjs';
import { grouped, machineLoad, median, table, writeResults } from '../results.mjs';
import {
  FILES_MAX, Pinned, SERVER_CORE, built, cleanUp, cpuSeconds, freePort, memoryFolder, need, run, runPinned, source, startMillrace, startNginx,
  startPublisher, until,
} from '../servers.mjs';

const { values: options } = parseArgs({
  options: {
    viewers: { type: 'string', default: '1500,2500,3500,10000' },
    seconds: { type: 'string', default: '15' },
    pairs: { type: 'string', default: '3' },
    'no-hints': { type: 'boolean', default: false },
    'no-peer': { type: 'boolean', default: false },
  },
});
const GOAL = { viewers: 10_000, p99Ms: 150, kibPerViewer: 16 };
const SETTINGS = {
  MILLRACE_LADDER_RUNGS: '360p 640x360 800k',
  MILLRACE_LADDER_PRESET: 'ultrafast',
  MILLRACE_HLS_PART_MS: '333',
  MILLRACE_HLS_WINDOW_S: '12',
  MILLRACE_LOG_FORMAT: 'json',
  MILLRACE_LOG_LEVEL: 'info,packager=trace',
};
/** Until the window, and what is kept behind it, is full: memory stands still from then on. */
const WINDOW_FULL_MS = 26_000;
const RAMP_S = 10;
const SETTLE_S = 5;
/** hls.js keeps four connections busy: a held reload and a part, of picture and of sound. */
const CONNECTIONS_PER_VIEWER = 4;
const OTHER_FILES = 400;
/** Two seconds of six parts: what the settings above come to. */
const PARTS_PER_S = 3;

/** With the lock only one request of a kind goes on to Millrace, and nginx looks every 500 ms whether it was answered. */
const CACHES = { 'with proxy_cache_lock': 'on', 'without proxy_cache_lock': 'off' };

/** Who is served by whom. */
const SUBJECTS = {
  plain: 'Millrace',
  hints: 'Millrace, hinted parts',
  peer: 'nginx in front',
};

const load = machineLoad();
try {
  need('nginx', 'ffmpeg', 'prlimit', 'taskset');
  const fits = Math.floor((FILES_MAX - OTHER_FILES) / CONNECTIONS_PER_VIEWER / 100) * 100;
  const asked = options.viewers.split(',').map(Number);
  const steps = [...new Set(asked.map((viewers) => Math.min(viewers, fits)))];
  const found = [];
  const caches = new Map();
  for (let pair = 0; pair < Number(options.pairs); pair += 1) {
    for (const viewers of steps) {
      found.push({ viewers, by: SUBJECTS.plain, ...await measure(viewers, {}) });
      if (!options['no-hints']) {
        found.push({ viewers, by: SUBJECTS.hints, ...await measure(viewers, { hints: true }) });
      }
      if (!options['no-peer']) {
        const peer = caches.has(viewers) ? await measure(viewers, { cache: caches.get(viewers) }) : await bestCache(viewers);
        caches.set(viewers, peer.cache);
        found.push({ viewers, by: SUBJECTS.peer, ...peer });
      }
    }
  }
  const rows = steps.flatMap((viewers) => Object.values(SUBJECTS).map((by) =>
    summary(found.filter((it) => it.viewers === viewers && it.by === by)))).filter((row) => row !== null);
  const connections = Math.max(...steps) * CONNECTIONS_PER_VIEWER;
  process.exitCode = report(rows, { caches, fits, asked, connections, bareUs: await bareMicroseconds(connections) });
} finally {
  await cleanUp();
}

/** One server, one broadcast, so many viewers; through nginx where a cache is given. */
async function measure(viewers, { cache = null, hints = false }) {
  const folder = memoryFolder('viewers');
  const millrace = await startMillrace(folder, SETTINGS);
  const file = source('viewers', { size: '640x360', kbps: 800, seconds: 20, noise: 6 });
  const publisher = startPublisher(folder, file, millrace.publish, { loop: true });
  const nginx = cache && await startCache(folder, millrace, CACHES[cache]);
  await sleep(WINDOW_FULL_MS / 2);
  const [cpu, begun] = [cpuSeconds(millrace.pid), performance.now()];
  await sleep(WINDOW_FULL_MS / 2);
  const encodingCores = (cpuSeconds(millrace.pid) - cpu) / ((performance.now() - begun) / 1000);
  const pids = [millrace.pid, ...(nginx ? [nginx.worker] : [])].flatMap((pid) => ['--pid', `${pid}`]);
  const out = await runPinned([built('load', 'LOAD_BIN'), 'viewers', '--server', nginx?.address ?? millrace.address,
    '--stream', millrace.stream, '--viewers', `${viewers}`, '--seconds', options.seconds, '--ramp', `${RAMP_S}`,
    '--settle', `${SETTLE_S}`, '--server-log', millrace.log, ...pids, ...(hints ? ['--hints'] : [])],
  { withinMs: (Number(options.seconds) + RAMP_S + SETTLE_S + 60) * 1000 });
  if (publisher.hasEnded) {
    throw new Error(`the publisher ended, nothing was measured:\n${publisher.text()}`);
  }
  await cleanUp();
  const result = { ...JSON.parse(out), encodingCores, cache };
  console.log(`${viewers} viewers, ${cache ? `nginx ${cache}` : `Millrace${hints ? ', hinted parts' : ''}`}: p99 ${result.p99_ms?.toFixed(0)} ms, `
    + `${result.starved} starved, ${result.server_cores.toFixed(2)} cores, ${result.kib_per_viewer.toFixed(1)} KiB a viewer; `
    + JSON.stringify(result));
  return result;
}

/** The run with the cache with which fewer starve and parts come sooner. */
async function bestCache(viewers) {
  const tried = [];
  for (const cache of Object.keys(CACHES)) {
    tried.push(await measure(viewers, { cache }));
  }
  return tried.sort((a, b) => a.starved - b.starved || a.p99_ms - b.p99_ms)[0];
}

/**
 * CPU time that the bare write loop takes for what one viewer gets with each part: two playlists, a
 * part of the picture and one of the sound. Over as many connections as the viewers have: what the
 * kernel keeps of them does not fit the processor's caches.
 */
async function bareMicroseconds(connections) {
  const folder = memoryFolder('bound');
  const millrace = await startMillrace(folder, SETTINGS);
  const file = source('viewers', { size: '640x360', kbps: 800, seconds: 20, noise: 6 });
  startPublisher(folder, file, millrace.publish, { loop: true });
  await sleep(WINDOW_FULL_MS / 2);
  const bodies = [];
  for (const rendition of ['360p', 'audio']) {
    const base = `${millrace.origin}${millrace.live}/${rendition}/`;
    const playlist = await (await fetch(`${base}playlist.m3u8`)).text();
    const parts = [...playlist.matchAll(/#EXT-X-PART:.*URI="([^"]+)"/g)].map(([, uri]) => uri);
    bodies.push(await body(`${base}playlist.m3u8`), await body(base + parts.at(-2)));
  }
  await cleanUp();
  let sum = 0;
  for (const [index, bytes] of bodies.entries()) {
    const own = memoryFolder('bound');
    const path = join(own, `body-${index}`);
    writeFileSync(path, bytes);
    const bare = new Pinned(SERVER_CORE, [built('load', 'LOAD_BIN'), 'bare', '--file', path], { folder: own });
    await until('the bare loop listens', bare, async () => bare.text().includes('\n'));
    const out = JSON.parse(await runPinned([built('load', 'LOAD_BIN'), 'get', '--server', bare.text().trim(), '--path', '/',
      '--pid', `${bare.pid}`, '--connections', `${connections}`, '--warm-up-ms', '3000', '--seconds', '3'], { withinMs: 30_000 }));
    sum += (out.server_cpu_s * 1e6) / out.answers;
    await cleanUp();
  }
  return sum;
}

/** An answer's bytes as they came, compressed or not. */
function body(url) {
  return new Promise((resolve, reject) => {
    get(url, { headers: { 'accept-encoding': 'gzip' } }, (answer) => {
      const pieces = [];
      answer.on('data', (piece) => pieces.push(piece)).on('end', () => resolve(Buffer.concat(pieces))).on('error', reject);
    }).on('error', reject);
  });
}

async function startCache(folder, millrace, lock) {
  const address = `127.0.0.1:${await freePort()}`;
  return startNginx(folder, `
  tcp_nodelay on; sendfile on; tcp_nopush on; keepalive_requests 1000000000; keepalive_timeout 1h;
  proxy_cache_path ${folder}/cache levels=1:2 keys_zone=live:64m max_size=512m inactive=1m use_temp_path=off;
  open_file_cache max=10000 inactive=10s;
  upstream millrace { server ${millrace.address}; keepalive 10000; keepalive_requests 1000000000; }
  server {
    listen ${address} reuseport backlog=4096;
    location = / { return 204; }
    location / {
      proxy_pass http://millrace; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_cache live; proxy_cache_lock ${lock}; proxy_cache_lock_timeout 10s; proxy_cache_lock_age 10s;
      proxy_read_timeout 15s; proxy_buffers 16 32k; proxy_buffer_size 32k; proxy_busy_buffers_size 64k;
    }
  }`, address);
}

/** Medians of the same step's runs. */
function summary(all) {
  if (all.length === 0) {
    return null;
  }
  const numbers = Object.keys(all[0]).filter((name) => all.every((it) => typeof it[name] === 'number'));
  return { by: all[0].by, birth: all[0].birth, ...Object.fromEntries(numbers.map((name) => [name, median(all.map((it) => it[name]))])) };
}

function report(rows, { caches, fits, asked, connections, bareUs }) {
  const ms = (value) => (value === undefined ? null : value.toFixed(0));
  const lines = rows.map((row) => [
    `${grouped(row.viewers)}, ${row.by}`, ms(row.p50_ms), ms(row.p90_ms), ms(row.p99_ms), ms(row.max_ms), grouped(row.starved),
    grouped(row.requests_per_s), grouped(row.bytes_per_s / 1e6), row.server_cores.toFixed(2),
    row.kib_per_viewer.toFixed(1), row.generator_cores.toFixed(2),
  ]);
  const good = (row) => row.p99_ms <= GOAL.p99Ms && row.starved === 0;
  const ours = rows.filter((row) => row.by !== SUBJECTS.peer);
  const kneeOf = (by) => Math.max(0, ...rows.filter((row) => row.by === by && good(row)).map((row) => row.viewers));
  const knees = [...new Set(ours.map((row) => row.by))].map((by) => ({ by, viewers: kneeOf(by) }));
  const knee = Math.max(...knees.map(({ viewers }) => viewers));
  const memory = Math.max(...ours.map((row) => row.kib_per_viewer));
  const reached = knee >= GOAL.viewers && memory <= GOAL.kibPerViewer;
  const result = [
    `One broadcast, 360p at 800 kbit/s and sound, parts of 333 ms; viewers like hls.js 1.7, HTTP/1.1,`
      + ` ${options.seconds} s after a ramp of ${RAMP_S} s, medians of ${options.pairs} runs. The server has one core, of which encoding takes ${
        median(rows.map((row) => row.encodingCores)).toFixed(2)}; birth of a part: ${rows[0].birth}.`,
    '',
    ...table(['viewers, served by', 'p50 ms', 'p90 ms', 'p99 ms', 'max ms', 'starved', 'requests/s', 'MB/s', 'server, cores',
      'KiB a viewer', 'load, cores'], lines),
    '',
    `To reach: ${grouped(GOAL.viewers)} viewers with p99 at most ${GOAL.p99Ms} ms and none starved: ${knee >= GOAL.viewers ? 'reached'
      : `missed, of these steps the highest that keep it are ${knees.map(({ by, viewers }) => `${grouped(viewers)} (${by})`).join(' and ')}`}. At most ${GOAL.kibPerViewer} KiB a viewer: ${
      memory <= GOAL.kibPerViewer ? 'reached' : `missed, ${memory.toFixed(1)}`}.`,
    `The bound, over ${grouped(connections)} connections that are always busy: for the two playlists and two parts that a viewer gets each third of a second a bare write loop takes ${
      bareUs.toFixed(0)} µs of a core; ${grouped((1 - median(rows.map((row) => row.encodingCores))) * 1e6 / (PARTS_PER_S * bareUs))
    } viewers keep it busy beside the encoder, and the last of ${grouped((GOAL.p99Ms * 1000) / bareUs)} has both parts ${GOAL.p99Ms} ms after they were born together.`,
    ...(asked.some((viewers) => viewers > fits) ? [`Steps past ${grouped(fits)} viewers were run with as many: a process may open ${
      grouped(FILES_MAX)} files here, and a viewer has ${CONNECTIONS_PER_VIEWER} connections.`] : []),
    ...(caches.size > 0 ? [`nginx is a cache in front of Millrace, on the same core, for each step with or without its lock, whichever is better: ${
      [...caches].map(([viewers, cache]) => `${grouped(viewers)} ${cache}`).join(', ')}. Its worker's CPU and memory are counted in.`] : []),
  ];
  console.log(`\n${result.join('\n')}`);
  const series = [...new Set(rows.map((row) => row.by))];
  const extra = process.argv.slice(2).join(' ');
  writeResults({
    name: 'viewers',
    title: 'Viewers: delay of parts by audience',
    command: `make bench-viewers${extra ? ` ARGS="${extra}"` : ''}`,
    versions: {
      nginx: run('sh', ['-c', 'nginx -v 2>&1']).trim().replace(/^.*nginx\//, ''),
      FFmpeg: run('ffmpeg', ['-version']).split(' ')[2],
    },
    load,
    lines: result,
    plot: {
      alt: 'Delay of parts, 99th percentile, against the number of viewers',
      svg: linePlot({
        title: 'From a part\'s birth to its last byte, 99th percentile, one core',
        x: { label: 'viewers' },
        y: { label: 'milliseconds', log: true },
        series: series.map((by) => ({
          name: by, points: rows.filter((row) => row.by === by && row.p99_ms > 0).map((row) => [row.viewers, row.p99_ms]),
        })),
        goals: [{ at: GOAL.p99Ms, name: 'at most 150 ms' }],
      }),
    },
  });
  return reached ? 0 : 1;
}
