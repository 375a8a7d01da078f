// What a chunk costs on its way to the viewers, and what a request costs: `cargo bench` of the
// packager, as a table.
//
//   node benches/window/run.mjs

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { machineLoad, table, writeResults } from '../results.mjs';
import { fail, root, run } from '../servers.mjs';

const COMMAND = ['bench', '--locked', '--package', 'packager', '--bench', 'window'];

const load = machineLoad();
const begun = Date.now();
const cargo = process.env.CARGO ?? 'cargo';
if (spawnSync(cargo, COMMAND, { cwd: root, stdio: 'inherit' }).status !== 0) {
  fail(`${cargo} ${COMMAND.join(' ')} failed`);
}
const found = measured(join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'criterion'));
writeResults({
  name: 'window',
  title: 'The window: chunks, playlists, requests',
  command: 'make bench-window',
  versions: { rustc: run('rustc', ['--version']).split(' ')[1] },
  load,
  lines: [
    'One thread; median and 95 % interval by criterion. Parts of 200 ms. Rows with a size render a media playlist of a full '
      + 'window or of two hours; playlist, part and segment are requests for what is there already.',
    '',
    ...table(['', 'median', '95 % interval'], found.map(({ title, median }) => [
      title, time(median.point_estimate),
      `${time(median.confidence_interval.lower_bound)} to ${time(median.confidence_interval.upper_bound)}`,
    ])),
  ],
});

/** What this run measured; earlier ones may have left other names. */
function measured(folder) {
  return readdirSync(folder)
    .map((name) => join(folder, name, 'new'))
    .filter((path) => existsSync(join(path, 'estimates.json')) && statSync(join(path, 'estimates.json')).mtimeMs >= begun)
    .map((path) => ({
      title: JSON.parse(readFileSync(join(path, 'benchmark.json'), 'utf8')).title,
      ...JSON.parse(readFileSync(join(path, 'estimates.json'), 'utf8')),
    }));
}

/** Nanoseconds in the unit that suits them. */
function time(ns) {
  const [divisor, unit] = ns < 1e3 ? [1, 'ns'] : ns < 1e6 ? [1e3, 'µs'] : [1e6, 'ms'];
  return `${(ns / divisor).toPrecision(3)} ${unit}`;
}
