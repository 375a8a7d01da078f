// Keeps benches/RESULTS.md: a section for each benchmark, between markers, with the machine, the
// command, what came out and a plot beside it. Running one benchmark leaves the others' sections.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { dirname, join } from 'node:path';

const HEAD = `# Results

What the benchmarks of this folder measured, each written by its \`make\` target between its markers. Each runs beside
a peer on the same machine in the same run, in turns; ratios are medians of the pairs' ratios. What each one measures,
and what it does not, stands in [README.md](README.md). Absolute numbers are this machine's; ratios travel better.
`;

const folder = new URL('.', import.meta.url).pathname;

/**
 * Replaces a benchmark's section. `lines` is Markdown; `plot` is `{ alt, svg }`; `versions` are names
 * with versions; `load` is the machine's load before the benchmark began.
 */
export function writeResults({ name, title, command, versions, load, lines, plot, file = join(folder, 'RESULTS.md') }) {
  const picture = `plots/${name}.svg`;
  if (plot) {
    mkdirSync(join(dirname(file), 'plots'), { recursive: true });
    writeFileSync(join(dirname(file), picture), plot.svg);
  }
  const before = existsSync(file) ? readFileSync(file, 'utf8') : HEAD;
  writeFileSync(file, withSection(before, name, [
    `## ${title}`,
    '',
    `${new Date().toISOString().slice(0, 10)}, \`${command}\`, on ${machine(load)}.`,
    `${Object.entries(versions).map(([program, version]) => `${program} ${version}`).join(', ')}.`,
    '',
    ...lines,
    ...(plot ? ['', `![${plot.alt}](${picture})`] : []),
  ].join('\n')));
}

/** The document with this section in its place, or with it at the end where it had none. */
export function withSection(text, name, section) {
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
  const block = `${begin}\n${section}\n${end}`;
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from >= 0 && to > from) {
    return text.slice(0, from) + block + text.slice(to + end.length);
  }
  return `${text.trimEnd()}\n\n${block}\n`;
}

/** Rows as a Markdown table; the first column is words, the others are numbers. */
export function table(columns, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [
    line(columns),
    line(columns.map((_, index) => (index === 0 ? '---' : '---:'))),
    ...rows.map((cells) => line(cells.map((cell) => cell ?? '–'))),
  ];
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** 1234567 as 1,234,567, whatever the locale. */
export function grouped(number) {
  return Math.round(number).toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Whether a goal was reached, said in words. */
export function verdict(value, atLeast) {
  return `${atLeast.toFixed(2)}, ${value >= atLeast ? 'reached' : 'missed'}`;
}

/** The same where less is better. */
export function atMost(value, limit) {
  return `at most ${limit}, ${value <= limit ? 'reached' : 'missed'}`;
}

export function machineLoad() {
  return loadavg()[0];
}

function machine(load) {
  const cores = cpus();
  const system = existsSync('/etc/os-release')
    ? /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] : undefined;
  return [
    `${cores.length} cores of ${cores[0].model.trim()}`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `Linux ${release()}${congestionControl()}`,
    ...(system ? [system] : []),
    `load ${load.toFixed(2)} before${hasRealTimePriority() ? ', with real-time priority over it' : ''}`,
  ].join(', ');
}

/** It decides how much of sending is done in the sender's time. */
function congestionControl() {
  const file = '/proc/sys/net/ipv4/tcp_congestion_control';
  return existsSync(file) ? ` (TCP ${readFileSync(file, 'utf8').trim()})` : '';
}

/** Whether this was started by chrt(1), against whatever else the machine does (proc(5), field 41). */
function hasRealTimePriority() {
  const file = '/proc/self/stat';
  return existsSync(file) && ['1', '2'].includes(readFileSync(file, 'utf8').replace(/^.*\) /s, '').split(' ')[38]);
}
