// From the end of a long broadcast until its recording plays: the files are finished, the row says so, and a
// player gets the multivariant playlist, the top rendition's playlist and its last segment from a server that has
// not opened the recording before. The broadcast is simulated: its media is written by the very code that
// records, in segments of the size that they would have, as fast as the disk takes them.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { atMost, median, table } from '../results.mjs';
import { root, runPinned, startMillrace } from '../servers.mjs';
import { example } from './versions.mjs';

/** A disk that takes 20 MB a second writes two hours in so long. */
const WRITTEN_WITHIN_MS = 10 * 60 * 1000;
const GOAL_MS = 1000;
const SETTINGS = { MILLRACE_LOG_LEVEL: 'warn' };

export async function measureEnd({ rounds, minutes }) {
  const found = [];
  for (let round = 0; round < rounds; round += 1) {
    found.push(await once(minutes));
    console.log(`end, round ${round + 1}: ${JSON.stringify(found.at(-1))}`);
  }
  const of = (key) => median(found.map((it) => it[key]));
  const [last] = found;
  const row = (name, key) => [name, of(key).toFixed(1), null];
  return [
    `**From a broadcast's end to a recording that plays**: ${minutes} minutes of the whole ladder, ${(last.bytes / 1e9).toFixed(1)} GB in ${last.segments} segments of each rendition; ${rounds} times.`,
    '',
    ...table(['', 'ms', 'to reach'], [
      row('files and database', 'finish'), row('`master.m3u8`, the first request', 'master'),
      row('media playlist', 'playlist'), row('last segment', 'segment'),
      ['together', of('total').toFixed(1), atMost(of('total'), GOAL_MS)],
    ]),
  ];
}

async function once(minutes) {
  const base = join(root, 'target/bench-vod');
  mkdirSync(base, { recursive: true });
  const folder = mkdtempSync(join(base, 'end-'));
  const server = await startMillrace(folder, SETTINGS);
  try {
    const command = [example('long_recording', 'LONG_RECORDING_BIN'), server.data, server.stream, `${minutes}`];
    const report = JSON.parse(await runPinned(command, { withinMs: WRITTEN_WITHIN_MS }));
    if (report.status !== 'ready') {
      throw new Error(`the recording is ${report.status}: the disk is too slow, or full`);
    }
    const title = `${server.origin}/vod/${report.recording}`;
    const master = await timed(`${title}/master.m3u8`);
    const path = master.text.split('\n').find((line) => line.includes('1080p') && !line.startsWith('#'));
    const address = new URL(path, `${title}/master.m3u8`);
    const playlist = await timed(address);
    const [[length, offset], file] = lastSegment(playlist.text);
    const range = { range: `bytes=${offset}-${offset + length - 1}` };
    const segment = await timed(new URL(file, address), range);
    if (segment.bytes !== length) {
      throw new Error(`the last segment has ${segment.bytes} bytes, not ${length}`);
    }
    const parts = { finish: report.finish_ms, master: master.ms, playlist: playlist.ms, segment: segment.ms };
    const total = Object.values(parts).reduce((sum, ms) => sum + ms, 0);
    return { ...parts, total, bytes: report.bytes, segments: report.segments };
  } finally {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `[length, offset]` and the file of a VOD playlist's last segment. */
function lastSegment(text) {
  const ranges = [...text.matchAll(/^#EXT-X-BYTERANGE:(\d+)@(\d+)\n(?:#.*\n)*([^#\n].*)$/gm)];
  const [, length, offset, file] = ranges.at(-1);
  return [[Number(length), Number(offset)], file];
}

async function timed(url, headers = {}) {
  const began = performance.now();
  const answer = await fetch(url, { headers });
  const bytes = await answer.arrayBuffer();
  const ms = performance.now() - began;
  if (!answer.ok) {
    throw new Error(`${url}: ${answer.status}`);
  }
  return { ms, bytes: bytes.byteLength, text: bytes.byteLength < 1 << 20 ? new TextDecoder().decode(bytes) : '' };
}
