import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { barPlot, linePlot } from './plot.mjs';
import { grouped, median, table, withSection, writeResults } from './results.mjs';

const PLOT = {
  title: 'Delay <ms>', x: { label: 'viewers' }, y: { label: 'ms', log: true },
  series: [{ name: 'a', points: [[1000, 20], [2500, 60]] }, { name: 'b', points: [[1000, 200], [2500, 900]] }],
  goals: [{ at: 150, name: 'goal' }],
};

test('a section is replaced in its place and the others stay', () => {
  const first = withSection('# Results\n', 'one', 'old');
  const both = withSection(first, 'two', 'second');
  const replaced = withSection(both, 'one', 'new');
  assert.equal(replaced, '# Results\n\n<!-- begin one -->\nnew\n<!-- end one -->\n\n<!-- begin two -->\nsecond\n<!-- end two -->\n');
  assert.equal(withSection(replaced, 'one', 'new'), replaced);
});

test('a benchmark that runs again changes nothing but its own section', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-results-'));
  try {
    const file = join(folder, 'RESULTS.md');
    const section = {
      title: 'Title', command: 'make x', versions: { nginx: '1' }, load: 0, file,
      lines: ['text'], plot: { alt: 'plot', svg: linePlot(PLOT) },
    };
    writeResults({ ...section, name: 'one' });
    writeResults({ ...section, name: 'two' });
    const before = readFileSync(file, 'utf8');
    writeResults({ ...section, name: 'one' });
    assert.equal(readFileSync(file, 'utf8'), before);
    assert.match(before, /!\[plot\]\(plots\/two\.svg\)\n<!-- end two -->\n$/);
    assert.equal(readFileSync(join(folder, 'plots/one.svg'), 'utf8'), linePlot(PLOT));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('plots have no number that is none, and stay within their frame', () => {
  const bars = barPlot({
    title: 'Ratio', y: { label: 'ratio' }, series: ['a', 'b'],
    groups: [{ name: 'one\ntwo', values: [1.2, null] }, { name: 'three', values: [0.4, 2.6] }], goals: [{ at: 1, name: 'par' }],
  });
  for (const svg of [linePlot(PLOT), bars]) {
    assert.doesNotMatch(svg, /NaN|Infinity|undefined/);
    for (const [, value] of svg.matchAll(/ (?:y|cy|y1|y2|height)="([^"]+)"/g)) {
      assert.ok(Number(value) >= 0 && Number(value) <= 400, value);
    }
  }
  assert.match(linePlot(PLOT), /Delay &lt;ms>/);
});

test('numbers are written the same everywhere', () => {
  assert.equal(grouped(1234567.4), '1,234,567');
  assert.equal(grouped(999), '999');
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.deepEqual(table(['a', 'b'], [['x', null]]), ['| a | b |', '| --- | ---: |', '| x | – |']);
});
