// Plots as SVG text, for RESULTS.md: no library, the same bytes for the same numbers, readable on a
// light and on a dark page.

const WIDTH = 760;
const HEIGHT = 400;
const AREA = { left: 80, right: 20, top: 64, bottom: 64 };
const PLOT = { width: WIDTH - AREA.left - AREA.right, height: HEIGHT - AREA.top - AREA.bottom };

const STYLE = `
  .page { fill: #ffffff } text { fill: #1f2328; font: 13px sans-serif } .title { font-size: 15px; font-weight: bold }
  .grid { stroke: #d1d9e0 } .axis { stroke: #59636e } .goal { stroke: #59636e; stroke-dasharray: 6 4 }
  .line { fill: none; stroke-width: 2.5 } .s0 { stroke: #0969da } .s1 { stroke: #bc4c00 } .s2 { stroke: #59636e }
  .f0 { fill: #0969da } .f1 { fill: #bc4c00 } .f2 { fill: #8c959f } .f3 { fill: #8250df } .f4 { fill: #1a7f37 }
  .f5 { fill: #d4a72c } .f6 { fill: #cf222e }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #30363d } .axis, .goal { stroke: #9198a1 }
    .s0 { stroke: #58a6ff } .s1 { stroke: #f0883e } .s2 { stroke: #9198a1 }
    .f0 { fill: #58a6ff } .f1 { fill: #f0883e } .f2 { fill: #6e7681 } .f3 { fill: #a371f7 } .f4 { fill: #3fb950 }
    .f5 { fill: #d29922 } .f6 { fill: #f85149 }
  }`;

/**
 * Lines over a numeric x. `x` and `y` are axes `{ label, log }`, `series` are `{ name, points }` with
 * points `[x, y]`, `goals` are `{ at, name }` of y.
 */
export function linePlot({ title, x, y, series, goals = [] }) {
  const points = series.flatMap((it) => it.points);
  const horizontal = axis(x, points.map(([value]) => value), PLOT.width);
  const vertical = axis(y, [...points.map(([, value]) => value), ...goals.map(({ at }) => at)], PLOT.height);
  const place = ([px, py]) => [AREA.left + horizontal.at(px), HEIGHT - AREA.bottom - vertical.at(py)];
  const xTicks = [...new Set(points.map(([value]) => value))].sort((a, b) => a - b);
  const drawn = series.map((it, index) => {
    const placed = it.points.map(place);
    const path = placed.map(([px, py], at) => `${at === 0 ? 'M' : 'L'}${fixed(px)} ${fixed(py)}`).join(' ');
    const dots = placed.map(([px, py]) => `<circle class="f${index}" cx="${fixed(px)}" cy="${fixed(py)}" r="4"/>`);
    return [`<path class="line s${index}" d="${path}"/>`, ...dots].join('\n');
  });
  return page(title, series.map((it) => it.name), [
    ...yGrid(vertical, y.label),
    ...xTicks.map((value) => text(place([value, 0])[0], HEIGHT - AREA.bottom + 20, 'middle', short(value))),
    text(AREA.left + PLOT.width / 2, HEIGHT - 14, 'middle', x.label),
    ...goals.map((goal) => goalLine(vertical, goal)),
    ...drawn,
  ]);
}

/** Groups of bars: `groups` are `{ name, values }`, a value for each of `series` or null. */
export function barPlot({ title, y, series, groups, goals = [] }) {
  const values = groups.flatMap((group) => group.values.filter((value) => value !== null));
  const vertical = axis(y, [0, ...values, ...goals.map(({ at }) => at)], PLOT.height);
  const step = PLOT.width / groups.length;
  const bar = (step * 0.72) / series.length;
  const base = HEIGHT - AREA.bottom;
  const drawn = groups.flatMap((group, at) => {
    const left = AREA.left + step * (at + 0.14);
    const bars = group.values.map((value, index) => {
      if (value === null) {
        return '';
      }
      const [px, height] = [left + bar * index, vertical.at(value)];
      return `<rect class="f${index}" x="${fixed(px)}" y="${fixed(base - height)}" width="${fixed(bar - 2)}" height="${fixed(height)}"/>\n${
        text(px + bar / 2, base - height - 4, 'middle', short(value))}`;
    });
    const words = group.name.split('\n');
    const names = words.map((word, line) => text(AREA.left + step * (at + 0.5), base + 18 + 16 * line, 'middle', word));
    return [...bars, ...names];
  });
  return page(title, series, [
    ...yGrid(vertical, y.label), ...drawn, ...goals.map((goal) => goalLine(vertical, goal)),
  ]);
}

/** Bars of which each is a stack: `groups` are `{ name, values }`, a value for each of `series`. */
export function stackPlot({ title, y, series, groups }) {
  const sums = groups.map((group) => group.values.reduce((sum, value) => sum + Math.max(0, value), 0));
  const vertical = axis(y, [0, ...sums], PLOT.height);
  const step = PLOT.width / groups.length;
  const base = HEIGHT - AREA.bottom;
  const drawn = groups.flatMap((group, at) => {
    const [left, width] = [AREA.left + step * (at + 0.25), step * 0.5];
    let below = 0;
    const blocks = group.values.map((value, index) => {
      const [from, to] = [below, below + Math.max(0, value)];
      below = to;
      const [top, height] = [base - vertical.at(to), vertical.at(to) - vertical.at(from)];
      return `<rect class="f${index}" x="${fixed(left)}" y="${fixed(top)}" width="${fixed(width)}" height="${fixed(height)}"/>`;
    });
    const names = group.name.split('\n').map((word, line) => (
      text(left + width / 2, base + 18 + 16 * line, 'middle', word)
    ));
    const sum = text(left + width / 2, base - vertical.at(sums[at]) - 6, 'middle', short(Math.round(sums[at])));
    return [...blocks, sum, ...names];
  });
  return page(title, series, [...yGrid(vertical, y.label), ...drawn]);
}

function axis({ log = false }, values, length) {
  const max = Math.max(...values);
  if (log) {
    const [from, to] = [Math.floor(Math.log10(Math.min(...values.filter((value) => value > 0)))), Math.ceil(Math.log10(max))];
    const decades = Math.max(1, to - from);
    const ticks = Array.from({ length: decades + 1 }, (_, index) => 10 ** (from + index));
    return { at: (value) => (value <= 0 ? 0 : ((Math.log10(value) - from) / decades) * length), ticks };
  }
  const rough = (max || 1) / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * unit).find((it) => it >= rough);
  const count = Math.ceil((max || 1) / step);
  const ticks = Array.from({ length: count + 1 }, (_, index) => index * step);
  return { at: (value) => (value / (count * step)) * length, ticks };
}

function yGrid(vertical, label) {
  const lines = vertical.ticks.map((value) => {
    const py = fixed(HEIGHT - AREA.bottom - vertical.at(value));
    return `<line class="grid" x1="${AREA.left}" x2="${WIDTH - AREA.right}" y1="${py}" y2="${py}"/>\n${
      text(AREA.left - 8, Number(py) + 4, 'end', short(value))}`;
  });
  const middle = AREA.top + PLOT.height / 2;
  const base = HEIGHT - AREA.bottom;
  return [
    ...lines,
    `<line class="axis" x1="${AREA.left}" x2="${WIDTH - AREA.right}" y1="${base}" y2="${base}"/>`,
    `<text transform="translate(20 ${middle}) rotate(-90)" text-anchor="middle">${escaped(label)}</text>`,
  ];
}

function goalLine(vertical, { at, name }) {
  const py = fixed(HEIGHT - AREA.bottom - vertical.at(at));
  return `<line class="goal" x1="${AREA.left}" x2="${WIDTH - AREA.right}" y1="${py}" y2="${py}"/>\n${
    text(WIDTH - AREA.right, Number(py) - 6, 'end', name)}`;
}

function page(title, names, content) {
  let left = AREA.left;
  const legend = names.map((name, index) => {
    const entry = `<rect class="f${index}" x="${left}" y="38" width="12" height="12"/>\n${text(left + 18, 49, 'start', name)}`;
    left += 34 + name.length * 7.5;
    return entry;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}\n</style>`,
    `<rect class="page" width="${WIDTH}" height="${HEIGHT}"/>`,
    `<text class="title" x="${AREA.left}" y="24">${escaped(title)}</text>`,
    ...legend,
    ...content.filter((line) => line !== ''),
    '</svg>\n',
  ].join('\n');
}

function text(x, y, anchor, content) {
  return `<text x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

/** 1234567 as 1.23M: three digits that count. */
function short(value) {
  const [scale, unit] = value >= 1e6 ? [1e6, 'M'] : value >= 1e4 ? [1e3, 'k'] : [1, ''];
  return `${Number((value / scale).toPrecision(3))}${unit}`;
}

function fixed(value) {
  return value.toFixed(1);
}

function escaped(content) {
  return `${content}`.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
}
