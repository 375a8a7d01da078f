// What is measured, and with what: the examples that the measurements are made by, and versions.

import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { fail, root, run } from '../servers.mjs';

/** An example of this tree as a release build, or what the variable names. */
export function example(name, variable) {
  const path = process.env[variable] ?? join(root, 'target/release/examples', name);
  if (!existsSync(path)) {
    fail(`${path} is not there: make bench-vod builds it`);
  }
  return path;
}

export function versions() {
  return {
    ffmpeg: /version (\S+)/.exec(run('ffmpeg', ['-version']))[1],
    // It prints its version and ends with 1.
    wrk: /^wrk (\S+)/m.exec(run('sh', ['-c', 'wrk -v 2>&1 || true']))[1],
  };
}
