// What a CPU-second of the serving process delivers, beside nginx with the same bytes in a tmpfs
// folder: a 2 kB playlist, a 100 kB part and a 1.25 MB segment, over HTTP/1.1, HTTP/1.1 with TLS and
// HTTP/2 with TLS; and the bound, a loop that only writes.
//
//   node benches/serve/run.mjs [--pairs 5] [--seconds 3] [--only plain,tls,h2] [--items playlist,part,segment]
//
// Every server runs on the first core, the load on the second: over plain HTTP `load get`, which
// drops bodies in the kernel and so keeps the server's core busy, over TLS h2load. Millrace serves a
// broadcast that has just ended: it is still there for two minutes and nothing is encoded.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { barPlot } from '../plot.mjs';
import { grouped, machineLoad, median, table, verdict, writeResults } from '../results.mjs';
import {
  Pinned, SERVER_CORE, built, certificate, cleanUp, cpuSeconds, freePort, memoryFolder, need, run, runPinned,
  source, startMillrace, startNginx, startPublisher, until,
} from '../servers.mjs';

const { values: options } = parseArgs({
  options: {
    pairs: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: 'plain,tls,h2' },
    items: { type: 'string', default: 'playlist,part,segment' },
  },
});
const pairs = Number(options.pairs);
const seconds = Number(options.seconds);

/** Noise that fills its bitrate: a part of 360p has 100 kB then, a segment of 720p 1.25 MB. */
const SETTINGS = {
  MILLRACE_LADDER_RUNGS: '720p 1280x720 5000k, 360p 640x360 2400k',
  MILLRACE_LADDER_PRESET: 'ultrafast',
  MILLRACE_HLS_WINDOW_S: '12',
  MILLRACE_LOG_LEVEL: 'warn',
};
const PUBLISHED_S = 14;
/** The server keeps what has ended for 120 s. */
const SERVED_AFTER_END_MS = 110_000;

const ITEMS = [
  { name: 'playlist', rendition: '360p', bytes: 2000 },
  { name: 'part', rendition: '360p', bytes: 100_000, file: /URI="([^"]+\/\d+\.\d+\.m4s)"/g },
  { name: 'segment', rendition: '720p', bytes: 1_250_000, file: /^([^#].*\/\d+\.m4s)$/gm },
];

/** Connections and streams of h2load. The cipher is TLS 1.3's AES-128-GCM for both servers. */
const PROTOCOLS = {
  plain: { title: 'HTTP/1.1' },
  tls: { title: 'HTTP/1.1, TLS', flags: ['--h1', '-c', '64', '--tls13-ciphers=TLS_AES_128_GCM_SHA256'] },
  h2: { title: 'HTTP/2, TLS', flags: ['-c', '16', '-m', '4', '--tls13-ciphers=TLS_AES_128_GCM_SHA256'] },
};

/** What is to be reached, as a ratio of requests per CPU-second. */
const GOALS = {
  'plain playlist': 1.15, 'plain segment': 2.3, 'tls segment': 1.3, 'h2 playlist': 1, 'h2 part': 1, 'h2 segment': 1,
};

/** Ways to set nginx up; the best for each row is measured against. */
const NGINX = {
  'sendfile, tcp_nopush': { file: 'sendfile on; tcp_nopush on; sendfile_max_chunk 0;', listen: '' },
  sendfile: { file: 'sendfile on; tcp_nopush off; sendfile_max_chunk 0;', listen: '' },
  'sendfile, sndbuf=512k': { file: 'sendfile on; tcp_nopush off; sendfile_max_chunk 0;', listen: 'sndbuf=512k' },
  'read and writev': { file: 'sendfile off; output_buffers 2 1m;', listen: '' },
  'read and writev, sndbuf=512k': { file: 'sendfile off; output_buffers 2 1m;', listen: 'sndbuf=512k' },
};
const NGINX_COMMON = `
  types { application/vnd.apple.mpegurl m3u8; video/mp4 m4s; }
  tcp_nodelay on; etag off; server_tokens off; reset_timedout_connection on;
  keepalive_timeout 1h; keepalive_requests 1000000000;
  open_file_cache max=100 inactive=1h; open_file_cache_valid 1h;
  ssl_protocols TLSv1.3; ssl_session_tickets off; ssl_buffer_size 16k;
  http2_chunk_size 128k; http2_max_concurrent_streams 1000;`;

const load = machineLoad();
try {
  need('nginx', 'h2load', 'ffmpeg', 'openssl', 'prlimit', 'taskset');
  const rows = [];
  for (const protocol of options.only.split(',')) {
    if (protocol !== 'plain' && !/^https = /m.test(run(built('millrace', 'MILLRACE_BIN'), ['example-config']))) {
      console.log(`${PROTOCOLS[protocol].title}: not measured, this build has no setting \`https\``);
      continue;
    }
    for (const item of ITEMS.filter(({ name }) => options.items.split(',').includes(name))) {
      rows.push(await measureRow(protocol, item));
    }
  }
  report(rows);
} finally {
  await cleanUp();
}

/** All pairs of one size over one protocol. */
async function measureRow(protocol, item) {
  const folder = memoryFolder('serve');
  const tls = protocol === 'plain' ? null : certificate(folder);
  const millrace = await startMillrace(folder, SETTINGS, tls);
  const endedAt = await publish(folder, millrace);
  const { path, bytes } = await fetchItem(folder, millrace, item);
  const nginx = await startPeer(folder, tls);
  const name = `${item.name}${item.file ? '.m4s' : '.m3u8'}`;
  const subjects = {
    millrace: { pid: millrace.pid, url: `${tls ? millrace.secureOrigin : millrace.origin}${path}` },
    nginx: { pid: nginx.worker, ...await bestOf(nginx, name, protocol) },
  };
  if (protocol === 'plain') {
    const bare = new Pinned(SERVER_CORE, [built('load', 'LOAD_BIN'), 'bare', '--file', join(folder, name)], { folder });
    await until('the bare loop listens', bare, async () => bare.text().includes('\n'));
    subjects.bare = { pid: bare.pid, url: `http://${bare.text().trim()}/` };
  }
  const found = Object.fromEntries(Object.keys(subjects).map((subject) => [subject, []]));
  for (let pair = 0; pair < pairs; pair += 1) {
    if (performance.now() - endedAt > SERVED_AFTER_END_MS - seconds * 1000) {
      throw new Error('the ended broadcast is about to go: fewer --pairs or --seconds');
    }
    for (const [subject, { pid, url }] of Object.entries(subjects)) {
      found[subject].push(await measure(pid, url, protocol, seconds));
    }
  }
  await cleanUp();
  const row = {
    protocol, item, bytes, variant: subjects.nginx.variant, tls: found.millrace[0].tls,
    ratios: found.millrace.map((mine, pair) => mine.perCpu / found.nginx[pair].perCpu),
    perCpu: Object.fromEntries(Object.entries(found).map(([subject, all]) => [subject, median(all.map((it) => it.perCpu))])),
    busy: Object.fromEntries(Object.entries(found).map(([subject, all]) => [subject, median(all.map((it) => it.busy))])),
  };
  console.log(`${PROTOCOLS[protocol].title} ${item.name} (${bytes} bytes): ${Object.keys(found)
    .map((subject) => `${subject} ${grouped(row.perCpu[subject])} (core ${(row.busy[subject] * 100).toFixed(0)} % busy)`)
    .join(', ')}; ratio ${median(row.ratios).toFixed(2)} of ${row.ratios.map((it) => it.toFixed(2)).join(' ')}; nginx: ${row.variant}`);
  return row;
}

/** Publishes a broadcast to its end; when it ended. */
async function publish(folder, millrace) {
  const file = source('serve', { size: '1280x720', kbps: 8000, seconds: PUBLISHED_S, noise: 60 });
  const publisher = startPublisher(folder, file, millrace.publish);
  await publisher.ended();
  await until('the playlists end', millrace, async () => {
    const texts = await Promise.all(['720p', '360p'].map((it) => text(`${millrace.origin}${millrace.live}/${it}/playlist.m3u8`)));
    return texts.every((it) => it.includes('#EXT-X-ENDLIST'));
  });
  return performance.now();
}

/** Takes the item nearest to its size from Millrace, as a file for the others. */
async function fetchItem(folder, millrace, item) {
  const base = `${millrace.live}/${item.rendition}`;
  const playlist = await text(`${millrace.origin}${base}/playlist.m3u8`);
  const names = item.file ? [...playlist.matchAll(item.file)].map((match) => match[1]) : ['playlist.m3u8'];
  const found = await Promise.all(names.map(async (name) => {
    const path = `${base}/${name}`;
    const body = Buffer.from(await (await fetch(`${millrace.origin}${path}`)).arrayBuffer());
    return { path, body, bytes: body.length };
  }));
  const far = ({ bytes }) => Math.abs(bytes - item.bytes);
  const best = found.sort((a, b) => far(a) - far(b))[0];
  writeFileSync(join(folder, `${item.name}${item.file ? '.m4s' : '.m3u8'}`), best.body);
  return best;
}

async function startPeer(folder, tls) {
  const ports = await Promise.all(Object.keys(NGINX).map(() => freePort()));
  const secure = tls ? `ssl_certificate ${tls.certificate}; ssl_certificate_key ${tls.key};` : '';
  const servers = Object.values(NGINX).map(({ file, listen }, index) => `
  server {
    listen 127.0.0.1:${ports[index]} ${tls ? 'ssl http2' : ''} reuseport backlog=4096 ${listen};
    root ${folder}; ${secure} ${file}
  }`);
  // The first address is only asked whether nginx runs.
  const plain = await freePort();
  const http = `${NGINX_COMMON}\n  server { listen 127.0.0.1:${plain}; return 204; }${servers.join('')}`;
  const nginx = await startNginx(folder, http, `127.0.0.1:${plain}`);
  nginx.variants = Object.keys(NGINX).map((variant, index) => ({
    variant, origin: tls ? `https://localhost:${ports[index]}` : `http://127.0.0.1:${ports[index]}`,
  }));
  return nginx;
}

async function bestOf(nginx, name, protocol) {
  const tried = [];
  for (const { variant, origin } of nginx.variants) {
    const url = `${origin}/${name}`;
    tried.push({ variant, url, perCpu: (await measure(nginx.worker, url, protocol, 1)).perCpu });
  }
  console.log(`nginx, requests per CPU-second of ${name}: ${tried.map((it) => `${it.variant} ${grouped(it.perCpu)}`).join('; ')}`);
  return tried.sort((a, b) => b.perCpu - a.perCpu)[0];
}

/** Requests per CPU-second of a process under load. */
function measure(pid, url, protocol, forSeconds) {
  return protocol === 'plain' ? measurePlain(pid, new URL(url), forSeconds) : measureSecure(pid, url, protocol, forSeconds);
}

async function measurePlain(pid, url, forSeconds) {
  const out = await runPinned([built('load', 'LOAD_BIN'), 'get', '--server', url.host, '--path', url.pathname,
    '--pid', `${pid}`, '--seconds', `${forSeconds}`], { withinMs: (forSeconds + 15) * 1000 });
  const { answers, server_cpu_s: used, server_cores: busy, generator_cores: generator } = JSON.parse(out);
  return { perCpu: answers / used, busy, generator };
}

async function measureSecure(pid, url, protocol, forSeconds) {
  const [cpu, begun] = [cpuSeconds(pid), performance.now()];
  const command = ['h2load', '-t', '1', '-D', `${forSeconds}`, ...PROTOCOLS[protocol].flags, url];
  const out = await runPinned(command, { withinMs: (forSeconds + 15) * 1000 });
  const used = cpuSeconds(pid) - cpu;
  const took = (performance.now() - begun) / 1000;
  const codes = /status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(out);
  const [good, ...bad] = codes.slice(1).map(Number);
  if (good === 0 || bad.some((count) => count > 0)) {
    throw new Error(`not every answer was good:\n${out}`);
  }
  const say = (what) => new RegExp(`^${what}: (.*)$`, 'm').exec(out)?.[1];
  return {
    perCpu: good / used, busy: used / took,
    tls: ['TLS Protocol', 'Cipher', 'Server Temp Key', 'Application protocol'].map(say).filter(Boolean).join(', '),
  };
}

async function text(url) {
  return (await fetch(url)).text();
}

function report(rows) {
  const lines = rows.map((row) => {
    const ratio = median(row.ratios);
    const goal = GOALS[`${row.protocol} ${row.item.name}`];
    const megabytes = (subject) => grouped((row.perCpu[subject] * row.bytes) / 1e6);
    return [
      `${PROTOCOLS[row.protocol].title}, ${row.item.name}, ${grouped(row.bytes)} bytes`,
      `${grouped(row.perCpu.millrace)} (${megabytes('millrace')})`,
      `${grouped(row.perCpu.nginx)} (${megabytes('nginx')})`,
      `${ratio.toFixed(2)} (${Math.min(...row.ratios).toFixed(2)} to ${Math.max(...row.ratios).toFixed(2)})`,
      goal ? verdict(ratio, goal) : null,
      row.perCpu.bare ? `${grouped(row.perCpu.bare)} (${megabytes('bare')})` : null,
    ];
  });
  const result = [
    `Requests (and megabytes) per CPU-second of the serving process on one core; ${pairs} pairs of ${seconds} s in turns.`,
    '',
    ...table(['', 'Millrace', 'nginx', 'ratio (of pairs)', 'to reach', 'bare write loop'], lines),
    '',
    `nginx's settings, the best of five for each row: ${rows.map((row) =>
      `${PROTOCOLS[row.protocol].title} ${row.item.name} ${row.variant}`).join('; ')}.`,
    ...rows.filter((row) => row.tls && row.item.name === 'playlist').map((row) =>
      `${PROTOCOLS[row.protocol].title}: ${row.tls}, for both.`),
  ];
  console.log(`\n${result.join('\n')}`);
  if (rows.length === 0) {
    return;
  }
  const extra = process.argv.slice(2).join(' ');
  writeResults({
    name: 'serve',
    title: 'Serving: requests per CPU-second',
    command: `make bench-serve${extra ? ` ARGS="${extra}"` : ''}`,
    versions: {
      nginx: run('sh', ['-c', 'nginx -v 2>&1']).trim().replace(/^.*nginx\//, ''),
      h2load: run('h2load', ['--version']).trim().replace(/^.*nghttp2\//, 'nghttp2 '),
    },
    load,
    lines: result,
    plot: {
      alt: 'Requests per CPU-second of Millrace and of the bare loop, as multiples of what nginx reaches',
      svg: barPlot({
        title: `Requests per CPU-second as a multiple of nginx, one core`,
        y: { label: 'times nginx' },
        series: ['Millrace', 'bare write loop'],
        groups: rows.map((row) => ({
          name: `${PROTOCOLS[row.protocol].title.replace(', ', '\n')}\n${row.item.name}`,
          values: [median(row.ratios), row.perCpu.bare ? row.perCpu.bare / row.perCpu.nginx : null],
        })),
        goals: [{ at: 1, name: 'nginx' }],
      }),
    },
  });
}
