// What the benchmarks of delivery stand on: Millrace and nginx, each pinned to a core, a publisher
// on another, and what they used. Everything that is started is ended by its process id.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const root = new URL('..', import.meta.url).pathname;

/** The operator's, of every server that is started here. */
export const ADMIN_TOKEN = 'bench-admin-token-0123456789abcdef';
/** sysconf(_SC_CLK_TCK) of every Linux of today, for /proc/PID/stat. */
const TICKS_PER_S = 100;
const READY_WITHIN_MS = 20_000;
const EXIT_WITHIN_MS = 8_000;
/** Four connections each for ten thousand viewers, and as many again behind a proxy. */
const FILES_WANTED = 131_072;
/** What a process may open here: the hard limit, where raising it is not allowed. */
export const FILES_MAX = filesMax();

/** The server's core and everyone else's. */
export const SERVER_CORE = 0;
export const LOAD_CORE = 1;

/** Ends with one clear line where this machine cannot run the benchmark. */
export function need(...programs) {
  const missing = programs.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);
  if (missing.length > 0) {
    fail(`missing: ${missing.join(', ')}. On Debian and Ubuntu: scripts/install-deps.sh bench`);
  }
  if (availableParallelism() < 2) {
    fail('two cores are needed, one for the server and one for the load');
  }
}

export function fail(text) {
  console.error(`benchmark: ${text}`);
  process.exit(2);
}

/** A release binary of this tree. */
export function built(name, variable) {
  const path = process.env[variable] ?? join(root, 'target/release', name);
  if (!existsSync(path)) {
    fail(`${path} is not there: cargo build --release -p ${name}`);
  }
  return path;
}

/** A folder in memory, so that nginx reads no disk. */
export function memoryFolder(name) {
  const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
  const path = mkdtempSync(join(base, `millrace-${name}-`));
  cleanups.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const cleanups = [];

/** Ends and removes all that is left, also after an error or Ctrl-C. */
export async function cleanUp() {
  while (cleanups.length > 0) {
    await cleanups.pop()();
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    await cleanUp();
    process.exit(130);
  });
}

/** A process on one core, with its output in a file. */
export class Pinned {
  static #count = 0;
  #child;
  #exit;

  constructor(core, command, { env = {}, folder }) {
    Pinned.#count += 1;
    this.log = join(folder, `process-${Pinned.#count}.log`);
    const output = openSync(this.log, 'w');
    const all = [`--nofile=${FILES_MAX}`, 'taskset', '-c', `${core}`, ...command];
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('MILLRACE_'));
    this.#child = spawn('prlimit', all, {
      stdio: ['ignore', output, output],
      env: { ...Object.fromEntries(inherited), ...env },
    });
    closeSync(output);
    // prlimit and taskset become what they start: the id stays.
    this.pid = this.#child.pid;
    this.#exit = once(this.#child, 'exit');
    this.#exit.catch(() => {});
    cleanups.push(() => this.stop());
  }

  get hasEnded() {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  text() {
    return readFileSync(this.log, 'utf8');
  }

  async stop() {
    if (!this.hasEnded) {
      this.#child.kill('SIGTERM');
      const late = setTimeout(() => this.#child.kill('SIGKILL'), EXIT_WITHIN_MS);
      await this.#exit;
      clearTimeout(late);
    }
  }

  /** Waits until it has ended by itself. */
  ended() {
    return this.#exit;
  }
}

/** Millrace on the server's core; `tls` is a certificate of `certificate()`. */
export async function startMillrace(folder, settings = {}, tls = null) {
  const [http, rtmp, srt, https, rtmps] = await Promise.all(['tcp', 'tcp', 'udp', 'tcp', 'tcp'].map(freePort));
  const data = mkdtempSync(join(folder, 'data-'));
  const local = (port) => `127.0.0.1:${port}`;
  const secure = tls && {
    MILLRACE_HTTPS: local(https), MILLRACE_RTMPS: local(rtmps),
    MILLRACE_TLS_CERTIFICATE: tls.certificate, MILLRACE_TLS_KEY: tls.key,
  };
  const server = new Pinned(SERVER_CORE, [built('millrace', 'MILLRACE_BIN'), 'serve', '--data', data,
    '--http', local(http), '--rtmp', local(rtmp), '--srt', local(srt)], {
    folder,
    env: { MILLRACE_ADMIN_TOKEN: ADMIN_TOKEN, MILLRACE_METRICS: '', ...secure, ...settings },
  });
  server.data = data;
  server.address = local(http);
  server.origin = `http://${server.address}`;
  [server.rtmp, server.srt] = [local(rtmp), local(srt)];
  server.secureOrigin = `https://localhost:${https}`;
  await until('Millrace answers', server, async () => (await fetch(`${server.origin}/health`)).ok);
  const answer = await fetch(`${server.origin}/api/v1/streams`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    body: '{"title":"bench"}',
  });
  const { id, stream_key: key } = await answer.json();
  server.stream = id;
  server.live = `/live/${id}`;
  server.publish = `rtmp://${local(rtmp)}/live/${key}`;
  return server;
}

/** nginx, one worker on the server's core. `http` is the content of its http block. */
export async function startNginx(folder, http, address) {
  const config = join(folder, 'nginx.conf');
  writeFileSync(config, `daemon off;
master_process on;
worker_processes 1;
worker_rlimit_nofile ${FILES_MAX};
pid ${folder}/nginx.pid;
error_log stderr crit;
${process.getuid() === 0 ? 'user root;' : ''}
events { worker_connections ${FILES_MAX - 100}; use epoll; multi_accept on; }
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
${http}
}
`);
  const server = new Pinned(SERVER_CORE, ['nginx', '-c', config, '-p', folder], { folder });
  server.address = address;
  await until('nginx answers', server, async () => (await fetch(`http://${address}/`)).status > 0);
  const children = readFileSync(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8').trim().split(' ');
  server.worker = Number(children[0]);
  return server;
}

/** Publishes a file at its own pace from the load's core, once or for ever. */
export function startPublisher(folder, file, url, { loop = false } = {}) {
  const again = loop ? ['-stream_loop', '-1'] : [];
  return new Pinned(LOAD_CORE, ['ffmpeg', '-nostdin', '-v', 'error', '-re', ...again, '-i', file,
    '-c', 'copy', '-f', 'flv', url], { folder });
}

/** A source with motion and noise, and sound; made where it is not there yet. */
export function source(name, { size, kbps, seconds, noise }) {
  const folder = join(root, 'target/bench-sources');
  const file = join(folder, `${name}-${size}-${kbps}k-${seconds}s.mp4`);
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true });
    console.log(`making ${seconds} s of ${size} at ${kbps} kbit/s …`);
    const unfinished = `${file}.part.mp4`;
    run('ffmpeg', ['-nostdin', '-v', 'error', '-y', '-f', 'lavfi', '-i', `testsrc2=size=${size}:rate=30`,
      '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000', '-t', `${seconds}`,
      '-vf', `noise=alls=${noise}:allf=t,format=yuv420p`, '-c:v', 'libx264', '-preset', 'superfast',
      '-b:v', `${kbps}k`, '-maxrate', `${kbps}k`, '-bufsize', `${kbps}k`, '-g', '60', '-bf', '0',
      '-c:a', 'aac', '-b:a', '128k', unfinished]);
    run('mv', [unfinished, file]);
  }
  return file;
}

/** An ECDSA P-256 certificate for localhost, signed by itself. */
export function certificate(folder) {
  const [certificate, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
    '-keyout', key, '-out', certificate]);
  return { certificate, key };
}

/** A finished command's standard output. */
export function run(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(' ')}\n${result.stderr || result.error}`);
  }
  return result.stdout;
}

/** The same without blocking this process, on one core and for so long at most. */
export async function runPinned(command, { withinMs, core = LOAD_CORE }) {
  const child = spawn('prlimit', [`--nofile=${FILES_MAX}`, 'taskset', '-c', `${core}`, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'], timeout: withinMs, killSignal: 'SIGKILL',
  });
  const stop = () => child.kill('SIGKILL');
  cleanups.push(stop);
  let [out, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const [code, signal] = await once(child, 'close');
  cleanups.splice(cleanups.indexOf(stop), 1);
  if (code !== 0) {
    throw new Error(`${command.join(' ')}\nended with ${code ?? signal}: ${errors}`);
  }
  return out;
}

/** User and system time of a process so far (proc(5), fields 14 and 15). */
export function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S;
}

function filesMax() {
  const raised = spawnSync('prlimit', [`--nofile=${FILES_WANTED}:${FILES_WANTED}`, 'true']).status === 0;
  const limits = readFileSync('/proc/self/limits', 'utf8');
  return raised ? FILES_WANTED : Number(/^Max open files +\d+ +(\d+)/m.exec(limits)?.[1] ?? 1024);
}

/** Asks until the answer is true; ends at once where the process has ended. */
export async function until(what, server, ask, withinMs = READY_WITHIN_MS) {
  const deadline = performance.now() + withinMs;
  for (;;) {
    if (server.hasEnded) {
      throw new Error(`ended before ${what}:\n${server.text()}`);
    }
    if (await ask().catch(() => false)) {
      return;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${withinMs} ms: ${what}\n${server.text().slice(-2000)}`);
    }
    await sleep(100);
  }
}

/** A port that was free a moment ago. */
export async function freePort(protocol = 'tcp') {
  const socket = protocol === 'udp' ? createSocket('udp4') : createServer();
  const bound = once(socket, 'listening');
  if (protocol === 'udp') {
    socket.bind(0, '127.0.0.1');
  } else {
    socket.listen(0, '127.0.0.1');
  }
  await bound;
  const { port } = socket.address();
  await new Promise((resolve) => socket.close(resolve));
  return port;
}
