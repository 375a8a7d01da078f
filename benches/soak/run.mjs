// A long run: publishers come and go over RTMP and SRT through lines that fail by a seed, viewers
// watch, broadcasts are recorded. At the end nothing may have leaked, stalled or be torn.
//
//   node benches/soak/run.mjs [--minutes 30 | --hours N] [--publishers 3] [--viewers 200] [--seed 1]
//
// Exit code 1 where something is not as it has to be; the table says what.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { table } from '../results.mjs';
import { ADMIN_TOKEN, built, cleanUp, fail, memoryFolder, need, run, source, startMillrace } from '../servers.mjs';

/** Growth of the resident set from the end of the warm-up to the end of the run. */
const GROWTH_MAX = 1.1;
/** In less than this pools and windows are still filling. */
const GROWTH_JUDGED_FROM_MS = 600_000;
/** The share of the run in which caches, pools and windows fill. */
const WARM_UP = 0.25;
/** Files and threads that pools may keep more than before the first publisher. */
const KEPT_MAX = 12;
/** How far back a broadcast can be rewound: a minute is the least that involves the disk. */
const REWIND_S = 60;
/** A lost publisher is awaited for 5 s; the ended broadcast is served for two minutes, then what can be rewound. */
const SETTLES_S = 5 + 120 + REWIND_S + 20;
/** Without a new part for so long a broadcast stalls: twice what the server lets pass until something stands in. */
const STALL_MS = 2500;
/** So long after a fault's end a stall is the fault's: an encoder has to connect anew. */
const FAULT_ECHO_MS = 12_000;
/** How often everything is looked at. */
const LOOK_EVERY_MS = 500;
/** One picture is 33 ms: a step above that in a recording is a hole. */
const STEP_MAX_S = 0.05;

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    hours: { type: 'string' },
    publishers: { type: 'string', default: '3' },
    viewers: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
  },
});
const runMs = options.hours ? Number(options.hours) * 3_600_000 : Number(options.minutes) * 60_000;
if (!(runMs >= 60_000)) {
  fail('at least a minute');
}
need('ffmpeg', 'ffprobe', 'taskset', 'prlimit');
// Before the server starts, which would be left behind where one is missing.
const NETPROXY = built('netproxy', 'NETPROXY_BIN');
const LOAD = built('load', 'LOAD_BIN');
const random = generator(Number(options.seed));
const begun = performance.now();
const isOver = () => performance.now() - begun >= runMs;
const faults = [];
const problems = [];
const counts = { publications: 0, kills: 0, faults: 0, rounds: 0 };

const LINES = {
  tcp: [['clear'], ['slow', 'set delay=100ms jitter=40ms'], ['stall', 'stall 3s'], ['narrow', 'set rate=600000'], ['reset', 'reset']],
  udp: [['clear'], ['1 % loss', 'set loss=0.01 delay=20ms jitter=5ms'], ['5 % loss', 'set loss=0.05 delay=20ms jitter=5ms'],
    ['10 % loss', 'set loss=0.1 delay=60ms jitter=20ms reorder=0.01 duplicates=0.01'], ['blackout', 'blackout 3s']],
};
const CLEAR = { tcp: 'set delay=0s jitter=0s rate=0', udp: 'set loss=0 delay=0s jitter=0s reorder=0 duplicates=0' };

const folder = memoryFolder('soak');
const server = await startMillrace(folder, {
  MILLRACE_LADDER_RUNGS: '180p 320x180 400k, 90p 160x90 200k',
  MILLRACE_LADDER_PRESET: 'ultrafast',
  MILLRACE_INGEST_SRT_LATENCY_MS: '800',
  MILLRACE_RECORDING_RECORD: 'true',
  // For so long after its end a broadcast can be rewound, and keeps its files open.
  MILLRACE_HLS_DVR_S: `${REWIND_S}`,
});
try {
  const file = source('soak', { size: '320x180', kbps: 400, seconds: 120, noise: 4 });
  const lines = { tcp: await startLine('tcp', server.rtmp), udp: await startLine('udp', server.srt) };
  const streams = [];
  for (let number = 0; number < Number(options.publishers); number += 1) {
    streams.push(await api('POST', 'streams', { title: `Soak ${number}` }));
  }
  const samples = [usage()];
  const sampling = sample(samples);
  await Promise.all([...streams.map((stream) => publish(stream, file, lines)), ...Object.entries(lines).map(rotate),
    ...streams.map(watchParts)]);
  await sleep(SETTLES_S * 1000);
  await sampling;
  samples.push(usage());
  const recordings = await judgeRecordings();
  report(samples, recordings);
} finally {
  await cleanUp();
}
process.exit(problems.length > 0 ? 1 : 0);

/** A proxy before the server, and what changes it. */
async function startLine(protocol, to) {
  const child = spawn(NETPROXY, [protocol, '--to', to, '--seed', options.seed],
    { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const { address } = JSON.parse((await answers.next()).value);
  return {
    address,
    async tell(command) {
      child.stdin.write(`${command}\n`);
      const answer = JSON.parse((await answers.next()).value);
      if (answer.error) {
        throw new Error(answer.error);
      }
    },
  };
}

/** One fault after the other, each followed by a clear line. */
async function rotate([protocol, line]) {
  while (!isOver()) {
    const [name, command] = pick(LINES[protocol]);
    const fault = { name, from: performance.now(), to: Infinity };
    if (command) {
      counts.faults += 1;
      faults.push(fault);
      await line.tell(command);
    }
    await pause(10, 30);
    await line.tell(CLEAR[protocol]);
    fault.to = performance.now();
    await pause(5, 15);
  }
}

/** A publisher that comes, stays for a while, goes with or without a goodbye, and comes again. */
async function publish(stream, file, lines) {
  while (!isOver()) {
    const bySrt = random() < 0.5;
    const url = bySrt ? `srt://${lines.udp.address}?streamid=publish:${stream.stream_key}&pkt_size=1316`
      : `rtmp://${lines.tcp.address}/live/${stream.stream_key}`;
    const child = spawn('ffmpeg', ['-nostdin', '-v', 'error', '-re', '-stream_loop', '-1', '-i', file, '-c', 'copy',
      '-f', bySrt ? 'mpegts' : 'flv', url], { stdio: 'ignore' });
    const exit = once(child, 'exit');
    counts.publications += 1;
    const stay = between(40, 120);
    const viewers = audience(stream, Math.max(5, stay - 25));
    await Promise.race([exit, pauseUntil(stay)]);
    if (child.exitCode === null) {
      const kills = random() < 0.3;
      counts.kills += kills ? 1 : 0;
      child.kill(kills ? 'SIGKILL' : 'SIGINT');
      const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await exit;
      clearTimeout(late);
    }
    await viewers.leave();
    await pause(2, 15);
  }
}

/** Its share of the viewers, for so many seconds; who is still there when the publisher goes leaves too. */
function audience(stream, seconds) {
  const viewers = Math.floor(Number(options.viewers) / Number(options.publishers));
  const child = spawn(LOAD, ['viewers', '--server', server.address, '--stream', stream.id,
    '--viewers', `${viewers}`, '--seconds', `${Math.round(seconds)}`, '--ramp', '5'], { stdio: 'ignore' });
  const exit = once(child, 'exit');
  return {
    async leave() {
      child.kill('SIGKILL');
      const [code] = await exit;
      counts.rounds += code === 0 ? 1 : 0;
    },
  };
}

/** A broadcast that runs publishes parts, whatever its publisher's line does. */
async function watchParts(stream) {
  let [last, since] = ['', performance.now()];
  while (!isOver()) {
    await sleep(LOOK_EVERY_MS);
    const answer = await fetch(`${server.origin}/live/${stream.id}/audio/playlist.m3u8`).catch(() => null);
    const text = answer?.ok ? await answer.text() : '#EXT-X-ENDLIST';
    const now = performance.now();
    const parts = text.split('\n').filter((line) => line.startsWith('#EXT-X-PART:')).at(-1) ?? '';
    if (text.includes('#EXT-X-ENDLIST') || parts !== last) {
      [last, since] = [parts, now];
    } else if (now - since > STALL_MS) {
      const byFault = faults.some(({ from, to }) => since >= from && since <= to + FAULT_ECHO_MS);
      problems.push(`${stream.id} had no new part for ${((now - since) / 1000).toFixed(1)} s`
        + `${byFault ? ' beside a fault' : ''}`);
      since = now;
    }
  }
}

/** Everything that was recorded plays from its beginning to its end. */
async function judgeRecordings() {
  const { items } = await api('GET', 'recordings?limit=500');
  for (const { id, status, playback } of items) {
    if (status !== 'ready' || !playback) {
      problems.push(`recording ${id} is ${status}`);
      continue;
    }
    const times = run('ffprobe', ['-v', 'error', '-select_streams', 'v:0', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0',
      `${server.origin}/vod/${id}/180p/playlist.m3u8`]).split('\n').map(parseFloat).filter(Number.isFinite).sort((a, b) => a - b);
    const holes = times.filter((time, index) => index > 0 && time - times[index - 1] > STEP_MAX_S);
    if (times.length === 0 || holes.length > 0) {
      problems.push(`recording ${id}: ${times.length} pictures, holes at ${holes.slice(0, 5).join(', ')}`);
    }
  }
  return items.length;
}

/** Takes the server's usage until the run is over. */
async function sample(samples) {
  while (!isOver()) {
    await sleep(Math.min(10_000, runMs / 20));
    samples.push(usage());
  }
}

/** What the server's process has now. */
function usage() {
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
  const files = readdirSync(`/proc/${server.pid}/fd`);
  return {
    at: performance.now() - begun,
    mib: of('VmRSS') / 1024,
    threads: of('Threads'),
    files: files.length,
    kinds: files.map(kindOf).sort(),
  };
}

/** What a file of the server is: of sockets and the like no more than that, of others the name. */
function kindOf(file) {
  try {
    return readlinkSync(`/proc/${server.pid}/fd/${file}`).replace(/:?\[.*/, '').replace(/^.*\/data-[^/]*\//, '');
  } catch {
    return 'closed';
  }
}

/** What the second list has more than the first, with how many. */
function added(before, after) {
  const count = (list, kind) => list.filter((one) => one === kind).length;
  const kinds = [...new Set(after)].map((kind) => [kind, count(after, kind) - count(before, kind)]);
  return kinds.filter(([, more]) => more > 0).map(([kind, more]) => `${more} ${kind}`).join(', ');
}

function report(samples, recordings) {
  const [first, last] = [samples[0], samples.at(-1)];
  const running = samples.filter(({ at }) => at >= runMs * WARM_UP && at <= runMs + 15_000);
  const third = Math.max(1, Math.floor(running.length / 3));
  const mean = (some) => some.reduce((sum, { mib }) => sum + mib, 0) / some.length;
  const [early, late] = [mean(running.slice(0, third)), mean(running.slice(-third))];
  const isJudged = runMs >= GROWTH_JUDGED_FROM_MS;
  if (isJudged && late > early * GROWTH_MAX) {
    problems.push(`memory grew from ${early.toFixed(0)} to ${late.toFixed(0)} MiB`);
  }
  for (const what of ['threads', 'files']) {
    if (last[what] > first[what] + KEPT_MAX) {
      problems.push(`${what}: ${first[what]} before, ${last[what]} after; files more: ${added(first.kinds, last.kinds)}`);
    }
  }
  const rows = [
    ['minutes', (runMs / 60_000).toFixed(1)],
    ['publications, killed ones', `${counts.publications}, ${counts.kills}`],
    ['faults of lines', counts.faults],
    ['rounds of viewers', counts.rounds],
    ['recordings', recordings],
    [`memory early, late, MiB${isJudged ? '' : ' (too short to judge)'}`, `${early.toFixed(0)}, ${late.toFixed(0)}`],
    ['threads before, most, after', `${first.threads}, ${most(samples, 'threads')}, ${last.threads}`],
    ['files before, most, after', `${first.files}, ${most(samples, 'files')}, ${last.files}`],
    ['problems', problems.length],
  ];
  console.log(table(['', 'this run'], rows).join('\n'));
  problems.forEach((problem) => console.log(`PROBLEM: ${problem}`));
}

function most(samples, what) {
  return Math.max(...samples.map((one) => one[what]));
}

async function api(method, path, body) {
  const answer = await fetch(`${server.origin}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: body && JSON.stringify(body),
  });
  if (!answer.ok) {
    throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  }
  return answer.json();
}

/** Seconds between two bounds; shorter in a run of a few minutes. */
function between(fromS, toS) {
  const scale = Math.min(1, runMs / 900_000 + 0.4);
  return (fromS + random() * (toS - fromS)) * scale;
}

async function pause(fromS, toS) {
  await pauseUntil(between(fromS, toS));
}

/** Waits so long, and not beyond the run's end. */
async function pauseUntil(seconds) {
  const left = Math.max(0, runMs - (performance.now() - begun));
  await sleep(Math.min(seconds * 1000, left));
}

function pick(list) {
  return list[Math.floor(random() * list.length)];
}

/** Numbers from 0 to 1 by a seed (mulberry32). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
