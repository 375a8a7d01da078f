// A PostgreSQL server of a test run's own, as the Rust tests have it: the same script makes it, and
// ends it with this process.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync } from "node:fs";
import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { root } from "../browser/rig.mjs";

const KEEPER = join(root, "storage/scratch/src/postgres/keep.sh");
/** Where Debian's packages put the programs, a folder a version. */
const PROGRAMS = "/usr/lib/postgresql";
/** Some seconds, more where every core compiles. */
const START_WITHIN_MS = 120_000;

/** The folder of the newest version's programs; undefined where there is none. */
export function programs() {
  const versions = existsSync(PROGRAMS) ? readdirSync(PROGRAMS) : [];
  const newest = versions
    .filter((version) => existsSync(join(PROGRAMS, version, "bin/initdb")))
    .sort((a, b) => Number(b) - Number(a))[0];
  return newest && join(PROGRAMS, newest, "bin");
}

/** Starts a server: the URL of an empty database on it, and `stop`. */
export async function startPostgres() {
  const folder = await mkdtemp(join(tmpdir(), "millrace-postgres-"));
  // Where this runs as root the server is another user, who has to pass through.
  await chmod(folder, 0o711);
  const keeper = spawn("/bin/sh", [KEEPER, folder, programs(), `${process.pid}`], {
    stdio: ["ignore", "ignore", "pipe"],
    // A group of its own: the shell waits for a program, which has to end first.
    detached: true,
  });
  const exit = once(keeper, "exit");
  let log = "";
  keeper.stderr.setEncoding("utf8").on("data", (text) => (log += text));
  const stop = async () => {
    if (keeper.exitCode === null) {
      process.kill(-keeper.pid);
    }
    await exit;
    await rm(folder, { recursive: true, force: true });
  };
  const port = join(folder, "port");
  for (const began = Date.now(); !existsSync(port); await pause(50)) {
    if (keeper.exitCode !== null || Date.now() - began > START_WITHIN_MS) {
      await stop();
      throw new Error(`PostgreSQL does not start: ${log}`);
    }
  }
  const number = (await readFile(port, "utf8")).trim();
  return { url: `postgres:///postgres?host=${folder}/socket&port=${number}&user=postgres`, stop };
}
