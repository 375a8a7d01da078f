// What browser tests and the glass-to-glass benchmark stand on: a server of their own in a fresh
// folder on free ports, publishers, and Chromium. Everything it starts ends with it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createSocket } from "node:dgram";
import { existsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
export const root = join(here, "../..");
const screenshots = join(root, "target/screenshots");
const { chromium } = createRequire(join(root, "web/package.json"))("playwright-core");

const TOKEN = "browser-test-token-0123456789abcdef";
/** A debug build on a busy machine opens its database and GStreamer's registry in this time. */
const READY_WITHIN_MS = 30_000;
const START_ATTEMPTS = 3;
/** Anything that a page does by itself or for a click, on a busy machine. */
const ACTION_WITHIN_MS = 20_000;
/** The server exits within 5 s of SIGTERM, on a machine that does nothing else. */
const EXIT_WITHIN_MS = 20_000;

/** Three rungs that cost next to nothing, for tests of anything but encoding. */
export const SMALL_LADDER = {
  MILLRACE_LADDER_RUNGS: "360p 640x360 700k, 180p 320x180 300k, 90p 160x90 120k",
  MILLRACE_LADDER_PRESET: "ultrafast",
};

/** The binary under test: `MILLRACE_BIN`, or the newest of those given that is built. */
export function binary(profiles = ["release", "debug"]) {
  return process.env.MILLRACE_BIN || newest("millrace", profiles);
}

function newest(name, profiles = ["release", "debug"]) {
  const built = profiles
    .map((profile) => join(root, "target", profile, name))
    .filter((path) => existsSync(path))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  if (built.length === 0) {
    throw new Error(`no ${name} in target/{${profiles}}: build it (cargo build --package ${name})`);
  }
  return built[0];
}

/**
 * A bad network before `address`: a `udp` or `tcp` proxy, changed by lines as `ingest/netproxy` takes
 * them ("set loss=0.05", "blackout 3s").
 */
export async function startNetwork(protocol, address) {
  const options = [protocol, "--to", address, "--seed", "7"];
  const child = spawn(newest("netproxy"), options, { stdio: ["pipe", "pipe", "inherit"] });
  const exit = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    const { value, done } = await lines.next();
    const told = done ? { error: "the proxy has ended" } : JSON.parse(value);
    if (told.error) {
      throw new Error(told.error);
    }
    return told;
  };
  const network = await answer();
  return {
    address: network.address,
    /** Says a line and awaits its answer. */
    async say(line) {
      child.stdin.write(`${line}\n`);
      return answer();
    },
    stop: () => end(child, exit, 5000),
  };
}

/** Starts a server; `settings` are variables such as `MILLRACE_HLS_PART_MS`. */
export async function startServer(settings = {}, path = binary()) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOn(settings, path);
    } catch (error) {
      // A port that was free a moment ago may be somebody's by now.
      if (attempt === START_ATTEMPTS || !/in use/i.test(error.message)) {
        throw error;
      }
    }
  }
}

async function startOn(settings, path) {
  const data = await mkdtemp(join(tmpdir(), "millrace-browser-"));
  const [http, rtmp, srt] = await Promise.all([freePort("tcp"), freePort("tcp"), freePort("udp")]);
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("MILLRACE_"));
  const address = (port) => `127.0.0.1:${port}`;
  const flags = ["--data", data, "--http", address(http), "--rtmp", address(rtmp), "--srt", address(srt)];
  const child = spawn(path, ["serve", ...flags], {
    // Without /metrics: its default port is one for all servers of the machine.
    env: { ...Object.fromEntries(inherited), MILLRACE_METRICS: "", MILLRACE_ADMIN_TOKEN: TOKEN, ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const server = new Server(child, data, `http://${address(http)}`, `rtmp://${address(rtmp)}/live/`);
  try {
    await until("the server answers", () => server.isReady(), READY_WITHIN_MS);
  } catch (error) {
    await server.stop();
    throw new Error(`${error.message}\n${server.log}`);
  }
  return server;
}

class Server {
  log = "";
  adminToken = TOKEN;
  #child;
  #data;
  #exit;
  #rtmp;

  constructor(child, data, origin, rtmp) {
    this.#child = child;
    this.#data = data;
    this.#rtmp = rtmp;
    this.origin = origin;
    this.pid = child.pid;
    this.#exit = once(child, "exit");
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (this.log += text));
    }
  }

  async isReady() {
    if (this.#child.exitCode !== null) {
      throw new Error(`the server ended with ${this.#child.exitCode}`);
    }
    const answer = await fetch(`${this.origin}/health`).catch(() => null);
    return answer?.ok === true;
  }

  /** Creates a stream: its id, its page, and the addresses to publish to. */
  async createStream(title, visibility = "public") {
    const { id, stream_key: key, publish } = await this.api("POST", "streams", { title, visibility });
    return { id, page: `${this.origin}/watch/${id}`, url: this.#rtmp + key, srt: publish.srt };
  }

  /** Makes a stream `public` or `private`. */
  async setVisibility(stream, visibility) {
    await this.api("PATCH", `streams/${stream.id}`, { visibility });
  }

  /** A playback token, and the page with it. */
  async issueToken(stream, seconds) {
    const body = { expires_in_s: seconds };
    const { token, playback } = await this.api("POST", `streams/${stream.id}/playback-tokens`, body);
    return { token, page: playback.page };
  }

  /** What the API answers to the operator; a body that is a text is sent as WebVTT. */
  async api(method, path, body) {
    const type = typeof body === "string" ? "text/vtt" : "application/json";
    const answer = await fetch(`${this.origin}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, "content-type": type },
      body: typeof body === "string" ? body : JSON.stringify(body),
    });
    if (!answer.ok) {
      throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    }
    return answer.json();
  }

  /** Stops it in order; true where it exited with 0 in time. */
  async stop() {
    const clean = await end(this.#child, this.#exit, EXIT_WITHIN_MS);
    await rm(this.#data, { recursive: true, force: true });
    return clean;
  }
}

/**
 * Publishes the painted clock to a stream until stopped. `url` is another address of it, and `jump`,
 * `{ atS, byS }`, when its timestamps jump, and how far.
 */
export function startPublisher(stream, { size = "640x360", fps = 30, kbps = 800, url, jump } = {}) {
  const options = ["--url", url ?? stream.url, "--size", size, "--fps", `${fps}`, "--kbps", `${kbps}`];
  if (jump) {
    options.push("--jump-at", `${jump.atS}`, "--jump-by", `${jump.byS}`);
  }
  const child = spawn(process.execPath, [join(here, "source.mjs"), ...options], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const exit = once(child, "exit");
  let behindMaxMs = 0;
  child.on("message", (message) => (behindMaxMs = message.behindMaxMs));
  return {
    /** How late the publisher's own encoder was at the worst: not the server's latency. */
    behindMaxMs: () => behindMaxMs,
    hasEnded: () => child.exitCode !== null,
    /** Ends the encoder without a goodbye, as a crash does. */
    async crash() {
      child.send("crash");
      await exit;
    },
    /** Nothing is sent from now on, and the connection stays; `thaw` sends it all. */
    freeze: () => child.send("freeze"),
    thaw: () => child.send("thaw"),
    stop: () => end(child, exit, 5000),
  };
}

/** Serves a page with this body and no script, of an origin that is not the server's. */
export async function startElsewhere(body) {
  const pages = createHttpServer((_, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(`<!doctype html><title>elsewhere</title><link rel=icon href="data:,">${body}`);
  });
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  return { origin: `http://127.0.0.1:${pages.address().port}`, stop: () => pages.close() };
}

/** Chromium, with sound allowed from the start. */
export async function startBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // A container's root has no user namespace for the sandbox; the pages are our own.
    args: [
      "--no-sandbox",
      "--mute-audio",
      "--disable-dev-shm-usage",
      "--autoplay-policy=no-user-gesture-required",
    ],
  });
}

/**
 * For `openPage`: sound only after a click, as browsers have it. Their own policy cannot be used,
 * since every look that the driver takes into a page counts as a gesture there.
 */
export function soundNeedsClick() {
  const { play } = HTMLMediaElement.prototype;
  let clicked = false;
  window.addEventListener("pointerdown", () => (clicked = true), { capture: true });
  HTMLMediaElement.prototype.play = function () {
    const refused = () => Promise.reject(new DOMException("a click is needed", "NotAllowedError"));
    return this.muted || clicked ? play.call(this) : refused();
  };
}

export const DESKTOP = { viewport: { width: 1280, height: 800 }, colorScheme: "dark" };
export const PHONE = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  hasTouch: true,
  isMobile: true,
  colorScheme: "light",
};

/**
 * Opens a page; what its console complains of is collected in `page.complaints`. The function
 * `script` runs in it before the page's own.
 */
export async function openPage(browser, url, options = DESKTOP, script = null) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  page.setDefaultTimeout(ACTION_WITHIN_MS);
  if (script) {
    await page.addInitScript(script);
  }
  page.complaints = [];
  page.on("pageerror", (error) => page.complaints.push(String(error)));
  page.on("console", (message) => {
    // A request that was answered with an error is Chromium's own line, not the page's.
    const ofChromium = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !ofChromium) {
      page.complaints.push(message.text());
    }
  });
  await page.goto(url);
  return page;
}

/** Waits for `data-state`. */
export async function reaches(page, state, withinMs = 20_000) {
  const selector = `body[data-state="${state}"]`;
  await page.waitForSelector(selector, { state: "attached", timeout: withinMs });
}

/** What the page measures of itself. */
export const stats = (page) => page.evaluate(() => window.millrace.stats());

/**
 * Waits until the picture has moved for so long without a pause or a jump. What is wrong with a page
 * is wrong all the time; encoder, server, decoder and browser on two cores are late now and then.
 */
export async function playsOn(page, forMs = 4000, attempts = 6) {
  const seen = [];
  while (seen.length < attempts) {
    const before = await stats(page);
    await page.waitForTimeout(forMs);
    const after = await stats(page);
    const change = (name) => after[name] - before[name];
    const told = { stalls: change("stalls"), jumps: change("jumps"), movedS: change("positionS") };
    if (told.stalls === 0 && told.jumps === 0 && told.movedS * 1000 > forMs / 2) {
      return;
    }
    seen.push(told);
  }
  throw new Error(`it does not play for ${forMs} ms without a pause: ${JSON.stringify(seen)}`);
}

/**
 * Runs in the page: notes where each seek went, and how far that was from where the picture was when
 * a key was last pressed. A driver's own look at the position would be later than the key.
 */
export function noteSeeks() {
  window.seeks = [];
  const video = document.querySelector("#video");
  let keyAtS = NaN;
  window.addEventListener("keydown", () => (keyAtS = video.currentTime), { capture: true });
  video.addEventListener("seeking", () => {
    window.seeks.push({ toS: video.currentTime, afterKeyS: video.currentTime - keyAtS });
  });
}

/** Writes `target/screenshots/NAME.png`. */
export async function screenshot(page, name) {
  await mkdir(screenshots, { recursive: true });
  await page.screenshot({ path: join(screenshots, `${name}.png`) });
}

/** Asks until the answer is true; asking may throw to give up at once. */
export async function until(what, ask, withinMs) {
  const deadline = performance.now() + withinMs;
  while (!(await ask())) {
    if (performance.now() > deadline) {
      throw new Error(`not within ${withinMs} ms: ${what}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function end(child, exit, withinMs) {
  child.kill("SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), withinMs);
  const [code] = await exit;
  clearTimeout(late);
  return code === 0;
}

/** A port that was free a moment ago. */
async function freePort(protocol) {
  const socket = protocol === "tcp" ? createServer() : createSocket("udp4");
  const bound = once(socket, "listening");
  if (protocol === "tcp") {
    socket.listen(0, "127.0.0.1");
  } else {
    socket.bind(0, "127.0.0.1");
  }
  await bound;
  const { port } = socket.address();
  await new Promise((resolve) => socket.close(resolve));
  return port;
}
