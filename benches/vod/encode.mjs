// Hours of video that become a ladder in an hour: the server's off-line graph beside FFmpeg, with the same preset,
// rate control, GOP and threads, in turns, each on both cores. Both drop what they have encoded, and both give way
// to whatever else the machine does, as the server's off-line threads do by themselves.

import { spawnSync } from 'node:child_process';

import { atMost, median, table } from '../results.mjs';
import { LOAD_CORE, SERVER_CORE, source } from '../servers.mjs';
import { example } from './versions.mjs';

const PRESET = 'veryfast';
const THREADS = 2;
const CORES = `${SERVER_CORE},${LOAD_CORE}`;
/** The standard ladder. */
const RUNGS = [
  { size: '1920:1080', kbps: 5000 }, { size: '1280:720', kbps: 2500 }, { size: '854:480', kbps: 1200 },
  { size: '640:360', kbps: 800 },
];
/** Of the rate control, as the server has it. */
const VBV_S = 1;
const GOAL = 1;

export async function measureEncode({ pairs, seconds }) {
  const file = source('vod', { size: '1920x1080', kbps: 8000, seconds, noise: 10 });
  const [ours, theirs] = [[], []];
  for (let pair = 0; pair < pairs; pair += 1) {
    theirs.push(timed(ffmpeg(file)));
    ours.push(timed([example('transcode', 'TRANSCODE_BIN'), file, PRESET, `${THREADS}`, 'quality']));
    const [a, b] = [ours.at(-1), theirs.at(-1)];
    console.log(`encode, pair ${pair + 1}: Millrace ${a.wall} s (CPU ${a.cpu.toFixed(1)}), FFmpeg ${b.wall} s (CPU ${b.cpu.toFixed(1)})`);
  }
  const ratios = (key) => ours.map((mine, pair) => mine[key] / theirs[pair][key]);
  const of = (all, key) => median(all.map((it) => it[key]));
  const row = (name, key, show) => [name, show(of(ours, key)), show(of(theirs, key)), median(ratios(key)).toFixed(3)];
  return [
    `**A file of 1080p30 to the whole ladder**, ${seconds} s of it, preset ${PRESET}, ${THREADS} threads an encoder, on ${CORES.split(',').length} cores; ${pairs} pairs in turns.`,
    '',
    ...table(['', 'Millrace', 'FFmpeg', 'ratio', 'to reach'], [
      [...row('time, s', 'wall', (it) => it.toFixed(1)), atMost(median(ratios('wall')), GOAL)],
      [...row('CPU time, s', 'cpu', (it) => it.toFixed(1)), null],
      [...row('hours encoded an hour', 'wall', (it) => (seconds / it).toFixed(2)).slice(0, 3), null, null],
    ]),
  ];
}

function ffmpeg(file) {
  const scaled = RUNGS.slice(1).map((rung, index) => `[s${index + 1}]scale=${rung.size}[v${index + 1}]`);
  const graph = `[0:v]split=${RUNGS.length}[v0]${scaled.map((_, index) => `[s${index + 1}]`).join('')};${scaled.join(';')}`;
  const video = RUNGS.flatMap(({ kbps }, index) => ['-map', `[v${index}]`, `-b:v:${index}`, `${kbps}k`,
    `-maxrate:v:${index}`, `${kbps}k`, `-bufsize:v:${index}`, `${kbps * VBV_S}k`]);
  return ['ffmpeg', '-nostdin', '-v', 'error', '-i', file, '-filter_complex', graph, '-map', '0:a',
    ...video, '-c:v', 'libx264', '-preset', PRESET, '-threads', `${THREADS}`, '-g', '60', '-keyint_min', '60',
    '-sc_threshold', '0', '-bf', '0', '-c:a', 'aac', '-b:a', '128k', '-ac', '2', '-ar', '48000', '-f', 'null', '-'];
}

/** Seconds by the clock and of CPU, by bash, which waits for the command alone. */
function timed(command) {
  const script = 'TIMEFORMAT="%R %U %S"; time nice -n 19 taskset -c "$0" "$@" >/dev/null';
  const { status, stderr } = spawnSync('bash', ['-c', script, CORES, ...command], { encoding: 'utf8', maxBuffer: 1 << 26 });
  const times = stderr.trim().split('\n').at(-1).split(' ').map(Number);
  if (status !== 0 || times.length !== 3 || times.some(Number.isNaN)) {
    throw new Error(`${command.join(' ')}\n${stderr}`);
  }
  return { wall: times[0], cpu: times[1] + times[2] };
}
