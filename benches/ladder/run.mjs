// CPU and memory of the whole server for a 1080p30 ladder, beside FFmpeg making the same ladder
// (same preset, tune, GOP, bitrates and audio) of the same file in the same run; and the SSIM of
// every rendition of both.
//
//   node benches/ladder/run.mjs [--seconds 20] [--pairs 3] [--preset superfast] [--source encode]
//     [--no-ssim]
//
// With --source top the server passes the source through as 1080p (ladder.source), which FFmpeg
// encodes all the same: what is compared is the cost of a broadcast.
// Both read at the source's pace. FFmpeg's scaler is its default (bicubic). SSIM is taken against
// the source scaled to the rendition's size by FFmpeg's bicubic scaler, which favours FFmpeg.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { atMost, machineLoad, median, table, writeResults } from '../results.mjs';

const load = machineLoad();
const given = process.argv.slice(2);
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    pairs: { type: 'string', default: '3' },
    preset: { type: 'string', default: 'superfast' },
    source: { type: 'string', default: 'encode' },
    'no-ssim': { type: 'boolean', default: false },
  },
});
const seconds = Number(options.seconds);
const pairs = Number(options.pairs);
const root = new URL('../..', import.meta.url).pathname;
const binary = process.env.MILLRACE_BIN ?? join(root, 'target/release/millrace');
const work = join(root, 'target/bench-ladder');
const source = join(work, `source-${options.source}-${seconds}s.mp4`);
const rungs = [
  { name: '1080p', size: '1920:1080', kbps: 5000 },
  { name: '720p', size: '1280:720', kbps: 2500 },
  { name: '480p', size: '854:480', kbps: 1200 },
  { name: '360p', size: '640:360', kbps: 800 },
];
const HTTP = '127.0.0.1:28080';
const TOKEN = 'bench-ladder-admin-token';
// Clock ticks a second of /proc/PID/stat on Linux (sysconf(_SC_CLK_TCK)).
const TICKS = 100;

function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}\n${result.stderr}`);
  return result;
}

function makeSource() {
  if (existsSync(source)) return;
  console.log(`making ${seconds} s of 1080p30 with motion and grain, 6 Mbit/s …`);
  const graph =
    "[0:v]noise=alls=10:allf=t[n];[n][1:v]overlay=x='mod(t*120,1280)':y=360,format=yuv420p[v]";
  run('ffmpeg', ['-nostdin', '-v', 'error', '-y',
    '-f', 'lavfi', '-i', 'mandelbrot=size=1920x1080:rate=30:end_scale=0.003:end_pts=900',
    '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=30',
    '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000',
    '-filter_complex', graph, '-map', '[v]', '-map', '2:a', '-t', String(seconds),
    '-c:v', 'libx264', '-preset', 'veryfast', '-b:v', '6M', '-maxrate', '6M', '-bufsize', '12M',
    // As encoders are told to send: without B-frames, keyframes at their places alone.
    ...(options.source === 'top' ? ['-bf', '0', '-sc_threshold', '0'] : []),
    '-g', '60', '-c:a', 'aac', '-b:a', '160k', source]);
}

/** CPU seconds so far and peak resident MiB of a process. */
function usage(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
  return { cpu: (Number(fields[11]) + Number(fields[12])) / TICKS, peak };
}

/** Watches a process until it ends; its last reading misses at most one interval. */
async function watch(child) {
  let last = { cpu: 0, peak: 0 };
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let running = true;
  ended.then(() => { running = false; });
  while (running) {
    try {
      const now = usage(child.pid);
      // A process that is ending has no memory left to read.
      last = { cpu: now.cpu, peak: Math.max(now.peak, last.peak) };
    } catch { /* it has just ended */ }
    await Promise.race([ended, sleep(50)]);
  }
  return last;
}

async function runFfmpeg(folder) {
  mkdirSync(folder, { recursive: true });
  const scaled = rungs.slice(1).map((rung, i) => `[s${i + 1}]scale=${rung.size}[v${i + 1}]`);
  const graph = `[0:v]split=4[v0]${[1, 2, 3].map((i) => `[s${i}]`).join('')};${scaled.join(';')}`;
  const video = rungs.flatMap((rung, i) => ['-map', `[v${i}]`, `-c:v:${i}`, 'libx264',
    `-b:v:${i}`, `${rung.kbps}k`, `-maxrate:v:${i}`, `${rung.kbps}k`,
    `-bufsize:v:${i}`, `${rung.kbps}k`]);
  const child = spawn('ffmpeg', ['-nostdin', '-v', 'error', '-y', '-re', '-i', source,
    '-filter_complex', graph, '-preset', options.preset, '-tune', 'zerolatency', '-g', '60',
    '-keyint_min', '60', '-sc_threshold', '0', '-profile:v', 'high', ...video,
    '-map', '0:a', '-c:a', 'aac', '-b:a', '128k', '-ac', '2', '-ar', '48000',
    '-f', 'hls', '-hls_time', '2', '-hls_segment_type', 'fmp4', '-hls_list_size', '0',
    '-var_stream_map', 'v:0,agroup:a v:1,agroup:a v:2,agroup:a v:3,agroup:a a:0,agroup:a',
    '-master_pl_name', 'master.m3u8', join(folder, '%v.m3u8')], { stdio: 'inherit' });
  return watch(child);
}

async function api(path, init) {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
  const response = await fetch(`http://${HTTP}${path}`, { ...init, headers });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

async function runMillrace(folder, keep) {
  mkdirSync(folder, { recursive: true });
  rmSync(join(work, 'data'), { recursive: true, force: true });
  const server = spawn(binary, ['serve', '--data', join(work, 'data'), '--http', HTTP,
    '--rtmp', '127.0.0.1:21935', '--srt', '127.0.0.1:28890'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, MILLRACE_METRICS: '', MILLRACE_ADMIN_TOKEN: TOKEN, MILLRACE_LOG_LEVEL: 'warn',
      MILLRACE_LADDER_PRESET: options.preset,
      MILLRACE_LADDER_SOURCE: options.source,
      MILLRACE_HLS_WINDOW_S: String(Math.max(20, Math.ceil(seconds) + 4)) },
  });
  try {
    let stream;
    for (let attempt = 0; !stream; attempt += 1) {
      await sleep(200);
      stream = await api('/api/v1/streams', { method: 'POST', body: '{"title":"bench"}' })
        .catch((error) => { if (attempt > 50) throw error; });
    }
    const publisher = spawn('ffmpeg', ['-nostdin', '-v', 'error', '-re', '-i', source,
      '-c', 'copy', '-f', 'flv', stream.publish.rtmp], { stdio: 'inherit' });
    await new Promise((resolve) => publisher.once('exit', resolve));
    // What the encoders still hold comes out before ENDLIST.
    for (let attempt = 0; attempt < 100; attempt += 1) {
      const media = await fetch(`http://${HTTP}/live/${stream.id}/360p/playlist.m3u8`);
      if ((await media.text()).includes('#EXT-X-ENDLIST')) break;
      await sleep(200);
    }
    const used = usage(server.pid);
    if (keep) {
      for (const rung of rungs) {
        run('ffmpeg', ['-nostdin', '-v', 'error', '-y', '-live_start_index', '0', '-i',
          `http://${HTTP}/live/${stream.id}/${rung.name}/playlist.m3u8`, '-c', 'copy',
          join(folder, `${rung.name}.mp4`)]);
      }
    }
    return used;
  } finally {
    server.kill('SIGTERM');
    await new Promise((resolve) => (server.exitCode === null ? server.once('exit', resolve) : resolve()));
  }
}

function ssim(file, size) {
  const graph = `[0:v]settb=AVTB,setpts=N/30/TB[a];[1:v]settb=AVTB,setpts=N/30/TB,scale=${size}:flags=bicubic[b];[a][b]ssim`;
  const { stderr } = run('ffmpeg', ['-nostdin', '-i', file, '-i', source, '-filter_complex', graph,
    '-f', 'null', '-']);
  return Number(/All:([0-9.]+)/.exec(stderr)[1]);
}

mkdirSync(work, { recursive: true });
makeSource();
const ours = [];
const theirs = [];
for (let pair = 0; pair < pairs; pair += 1) {
  theirs.push(await runFfmpeg(join(work, 'ffmpeg')));
  ours.push(await runMillrace(join(work, 'millrace'), pair === 0));
  const [a, b] = [ours[pair], theirs[pair]];
  console.log(`pair ${pair + 1}: millrace ${a.cpu.toFixed(2)} CPU-s, ${a.peak.toFixed(0)} MiB; `
    + `ffmpeg ${b.cpu.toFixed(2)} CPU-s, ${b.peak.toFixed(0)} MiB; ratio ${(a.cpu / b.cpu).toFixed(3)}`);
}
/** Of the server, of FFmpeg, and what one is of the other: the median of the pairs. */
function row(title, figure, decimals) {
  const ratios = ours.map((it, pair) => figure(it) / figure(theirs[pair]));
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)].map((it) => it.toFixed(2));
  return [title, ...[ours, theirs].map((all) => median(all.map(figure)).toFixed(decimals)),
    `${median(ratios).toFixed(2)} (${least} to ${most})`];
}
const ratioOfCpu = () => median(ours.map((it, pair) => it.cpu / theirs[pair].cpu));
const rows = [
  row('CPU-seconds a second of the broadcast', (it) => it.cpu / seconds, 3),
  row('peak resident memory, MiB', (it) => it.peak, 0),
];
if (!options['no-ssim']) {
  for (const [index, rung] of rungs.entries()) {
    const a = ssim(join(work, 'millrace', `${rung.name}.mp4`), rung.size);
    const b = ssim(join(work, 'ffmpeg', `${index}.m3u8`), rung.size);
    rows.push([`SSIM ${rung.name}`, a.toFixed(5), b.toFixed(5), `${a >= b ? '+' : ''}${(a - b).toFixed(5)}`]);
  }
}
const lines = [
  `${seconds} s of 1080p30 at 6 Mbit/s at its own pace, preset ${options.preset}, zerolatency; ${pairs} pairs in turns.`,
  '',
  ...table(['', 'Millrace', 'FFmpeg', 'ratio (of pairs), difference'], rows),
  ...(options.source === 'top' ? ['', `To reach, of FFmpeg's CPU: ${atMost(ratioOfCpu(), 0.5)}.`] : []),
];
console.log(lines.join('\n'));
writeResults({
  name: options.source === 'top' ? 'ladder-top' : 'ladder',
  title: options.source === 'top' ? 'A ladder whose highest rendition is the source' : 'A ladder',
  command: ['make bench-ladder', ...(given.length > 0 ? [`ARGS="${given.join(' ')}"`] : [])].join(' '),
  versions: { FFmpeg: /version (\S+)/.exec(run('ffmpeg', ['-version']).stdout)[1] },
  load,
  lines,
});
