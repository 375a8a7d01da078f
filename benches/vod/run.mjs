// What is stored: how fast a file becomes a ladder beside FFmpeg, how soon a long recording plays after
// its broadcast has ended, and how many reads a second the API answers beside the database alone.
//
//   node benches/vod/run.mjs [--only encode,end,api] [--pairs 3] [--seconds 60] [--minutes 120] [--load-seconds 5]
//
// --seconds is the length of the file, --minutes that of the recording, --load-seconds of each load. What each
// part does stands in encode.mjs, end.mjs and api.mjs. RESULTS.md is written where all of them were run.

import { parseArgs } from 'node:util';

import { machineLoad, writeResults } from '../results.mjs';
import { cleanUp, fail, need } from '../servers.mjs';
import { measureApi } from './api.mjs';
import { measureEncode } from './encode.mjs';
import { measureEnd } from './end.mjs';
import { versions } from './versions.mjs';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: 'encode,end,api' },
    pairs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '60' },
    minutes: { type: 'string', default: '120' },
    'load-seconds': { type: 'string', default: '5' },
  },
});

const PARTS = {
  encode: () => measureEncode({ pairs: Number(options.pairs), seconds: Number(options.seconds) }),
  end: () => measureEnd({ rounds: Number(options.pairs), minutes: Number(options.minutes) }),
  api: () => measureApi({ pairs: Number(options.pairs), seconds: Number(options['load-seconds']) }),
};

const extra = process.argv.slice(2).join(' ');
const load = machineLoad();
need('ffmpeg', 'wrk', 'prlimit', 'taskset');
try {
  const sections = [];
  for (const name of options.only.split(',')) {
    if (!PARTS[name]) {
      fail(`no part ${name}: ${Object.keys(PARTS).join(', ')}`);
    }
    sections.push(await PARTS[name]());
    console.log(`\n${sections.at(-1).join('\n')}\n`);
  }
  if (sections.length === Object.keys(PARTS).length) {
    writeResults({
      name: 'vod',
      title: 'Stored video and the API',
      command: `make bench-vod${extra ? ` ARGS="${extra}"` : ''}`,
      versions: versions(),
      load,
      lines: sections.flatMap((lines, index) => (index === 0 ? lines : ['', ...lines])),
    });
  }
} finally {
  await cleanUp();
}
