// Reads of the API a second, beside the same queries made by a loop on the database alone, both on the server's
// core; and how long a read takes while a broadcast is encoded there.

import { grouped, median, table } from '../results.mjs';
import {
  ADMIN_TOKEN, LOAD_CORE, SERVER_CORE, memoryFolder, runPinned, source, startMillrace, startPublisher, until,
} from '../servers.mjs';
import { example } from './versions.mjs';

/** A full page of the list. */
const STREAMS = 100;
/** Enough to keep the core full. */
const CONNECTIONS = 32;
/** What dashboards of a few people ask: the delay is the answer's, and not that of a queue. */
const CONNECTIONS_CALM = 4;
const SETTINGS = { MILLRACE_LOG_LEVEL: 'warn' };
const PUBLISHED_S = 30;
const UNITS_MS = { us: 0.001, ms: 1, s: 1000 };

export async function measureApi({ pairs, seconds }) {
  const folder = memoryFolder('api');
  const server = await startMillrace(folder, SETTINGS);
  await createStreams(server);
  const reads = {
    one: { title: 'one stream', url: `${server.origin}/api/v1/streams/${server.stream}` },
    page: { title: `a page of ${STREAMS}`, url: `${server.origin}/api/v1/streams?limit=${STREAMS}` },
  };
  const found = { one: [], page: [] };
  for (let pair = 0; pair < pairs; pair += 1) {
    const direct = await loop(server, seconds);
    for (const [name, { url }] of Object.entries(reads)) {
      const asked = await wrk(url, CONNECTIONS, seconds);
      found[name].push({ direct: direct[name], api: asked.rate, ratio: asked.rate / direct[name] });
      console.log(`api, pair ${pair + 1}, ${name}: ${grouped(asked.rate)} reads/s, directly ${grouped(direct[name])}`);
    }
  }
  const calm = await delays(reads, seconds);
  const publisher = await publish(folder, server);
  const encoding = await delays(reads, seconds);
  await publisher.stop();
  return [
    `**Reads of the API a second**, on one core, ${CONNECTIONS} connections, beside the same queries on the SQLite database by as many tasks of one loop, without HTTP and JSON; ${pairs} pairs of ${seconds} s in turns.`,
    '',
    ...table(['', 'API', 'database', 'ratio'], Object.entries(reads).map(([name, { title }]) => {
      const of = (key) => median(found[name].map((it) => it[key]));
      return [title, grouped(of('api')), grouped(of('direct')), of('ratio').toFixed(3)];
    })),
    '',
    `**How long a read takes** with ${CONNECTIONS_CALM} connections, alone and while a broadcast of 720p30 is encoded on the same core:`,
    '',
    ...table(['', 'p50, ms', 'p99, ms', 'encoding: p50', 'p99'], Object.entries(reads).map(([name, { title }]) =>
      [title, calm[name].p50, calm[name].p99, encoding[name].p50, encoding[name].p99].map((it) =>
        (typeof it === 'number' ? it.toFixed(2) : it)))),
  ];
}

async function createStreams(server) {
  for (let number = 1; number < STREAMS; number += 1) {
    const answer = await fetch(`${server.origin}/api/v1/streams`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ title: `Camera ${number}` }),
    });
    if (!answer.ok) {
      throw new Error(`creating a stream: ${answer.status}`);
    }
  }
}

/** Reads a second without the API. */
async function loop(server, seconds) {
  const command = [example('reads', 'READS_BIN'), server.data, server.stream, `${CONNECTIONS}`, `${seconds}`];
  return JSON.parse(await runPinned(command, { withinMs: (2 * seconds + 20) * 1000, core: SERVER_CORE }));
}

async function delays(reads, seconds) {
  const found = {};
  for (const [name, { url }] of Object.entries(reads)) {
    found[name] = await wrk(url, CONNECTIONS_CALM, seconds);
  }
  return found;
}

/** Reads a second, and milliseconds that half of them and all but a hundredth take. */
async function wrk(url, connections, seconds) {
  const out = await runPinned(['wrk', '-t', '1', '-c', `${connections}`, '-d', `${seconds}s`, '--latency',
    '-H', `Authorization: Bearer ${ADMIN_TOKEN}`, url], { withinMs: (seconds + 30) * 1000, core: LOAD_CORE });
  if (/Non-2xx|Socket errors/.test(out)) {
    throw new Error(out);
  }
  const percentile = (percent) => {
    const [, number, unit] = new RegExp(`^ +${percent}% +([\\d.]+)(us|ms|s)$`, 'm').exec(out);
    return Number(number) * UNITS_MS[unit];
  };
  return { rate: Number(/Requests\/sec: +([\d.]+)/.exec(out)[1]), p50: percentile(50), p99: percentile(99) };
}

async function publish(folder, server) {
  const file = source('api', { size: '1280x720', kbps: 3000, seconds: PUBLISHED_S, noise: 10 });
  const publisher = startPublisher(folder, file, server.publish, { loop: true });
  await until('the broadcast is live', server, async () =>
    (await fetch(`${server.origin}${server.live}/master.m3u8`)).ok);
  return publisher;
}
