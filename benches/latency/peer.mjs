// What self-hosters run today: nginx with its RTMP module, which takes the publisher and writes HLS,
// one FFmpeg that makes the ladder between the two, and a page with hls.js as it comes.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root, until } from "../../tests/browser/rig.mjs";
import { freePort } from "../servers.mjs";

const MODULE = "/usr/lib/nginx/modules/ngx_rtmp_module.so";
const READY_WITHIN_MS = 20_000;
const PLAYABLE_WITHIN_MS = 60_000;
const KEY = "glass";
/** Fragments in its playlist before the player comes. */
const SEGMENTS_MIN = 4;

/** The rungs that Millrace makes of 720p; x264 as Millrace sets it on two cores. */
const RUNGS = [
  { name: "720p", size: "1280x720", kbps: 2500 },
  { name: "480p", size: "854x480", kbps: 1200 },
  { name: "360p", size: "640x360", kbps: 800 },
];
const AUDIO_KBPS = 128;

const PAGE = `<!doctype html><title>hls.js</title>
<body><video id="video" width="1280" autoplay muted></video>
<script src="/hls.min.js"></script>
<script>
  window.stalls = 0;
  const video = document.querySelector("#video");
  const hls = new Hls();
  let playing = false;
  video.addEventListener("playing", () => (playing = true));
  video.addEventListener("waiting", () => playing && (window.stalls += 1));
  window.failures = [];
  hls.on(Hls.Events.ERROR, (_, { fatal, details }) => fatal && window.failures.push(details));
  hls.attachMedia(video);
  window.start = () => hls.loadSource("/hls/${KEY}.m3u8");
</script>`;

/** Starts it; `fragment_s` is the length of a segment, `fps` the source's. */
export async function startPeer({ fragment_s: fragmentS, fps, preset }) {
  const folder = mkdtempSync(join(tmpdir(), "millrace-peer-"));
  const [http, rtmp] = await Promise.all([freePort(), freePort()]);
  for (const name of ["www", "www/hls"]) {
    mkdirSync(join(folder, name));
  }
  writeFileSync(join(folder, "www/index.html"), PAGE);
  writeFileSync(join(folder, "www/hls.min.js"), readFileSync(join(root, "web/node_modules/hls.js/dist/hls.min.js")));
  writeFileSync(join(folder, "nginx.conf"), configuration({ folder, http, rtmp, fragmentS }));
  const nginx = start("/usr/sbin/nginx", ["-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")]);
  let ladder = null;
  const origin = `http://127.0.0.1:${http}`;
  await until("nginx answers", async () => (await fetch(origin).catch(() => null))?.ok, READY_WITHIN_MS);
  return {
    page: origin,
    url: `rtmp://127.0.0.1:${rtmp}/live/${KEY}`,
    /**
     * Once there is a publisher: FFmpeg takes it up, and playlists appear. A viewer who came at once
     * would play without a reserve, closer than anybody who comes later.
     */
    async run() {
      ladder = start("ffmpeg", ladderArguments({ rtmp, fps, fragmentS, preset }));
      const playlist = `${origin}/hls/${KEY}_${RUNGS[0].name}.m3u8`;
      const segments = async () => (await (await fetch(playlist)).text()).split("#EXTINF").length - 1;
      await until("the peer's playlist", async () => (await segments()) >= SEGMENTS_MIN, PLAYABLE_WITHIN_MS);
    },
    pids: () => [nginx.pid, ...(ladder ? [ladder.pid] : [])],
    async stop() {
      await Promise.all([ladder, nginx].filter(Boolean).map((it) => it.stop()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function configuration({ folder, http, rtmp, fragmentS }) {
  const variants = RUNGS.map(({ name, size, kbps }) =>
    `hls_variant _${name} BANDWIDTH=${(kbps + AUDIO_KBPS) * 1100},RESOLUTION=${size};`);
  return `load_module ${MODULE};
daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 256; }
rtmp { server { listen 127.0.0.1:${rtmp}; chunk_size 4096;
  application live { live on; }
  application hls { live on; hls on; hls_path ${folder}/www/hls; hls_fragment ${fragmentS}s;
    hls_playlist_length ${fragmentS * 10}s; ${variants.join(" ")} }
} }
http { access_log off; sendfile on; client_body_temp_path ${folder}/1; proxy_temp_path ${folder}/2;
  fastcgi_temp_path ${folder}/3; uwsgi_temp_path ${folder}/4; scgi_temp_path ${folder}/5;
  types { text/html html; text/javascript js; application/vnd.apple.mpegurl m3u8; video/mp2t ts; }
  server { listen 127.0.0.1:${http}; root ${folder}/www; add_header Cache-Control no-cache; } }
`;
}

function ladderArguments({ rtmp, fps, fragmentS, preset }) {
  const scaled = RUNGS.map(({ size }, index) => `[s${index}]scale=${size.replace("x", ":")}[v${index}]`);
  const split = `[0:v]split=${RUNGS.length}${RUNGS.map((_, index) => `[s${index}]`).join("")}`;
  const outputs = RUNGS.flatMap(({ name, kbps }, index) => [
    "-map", `[v${index}]`, "-map", "0:a", "-c:v", "libx264", "-preset", preset, "-tune", "zerolatency",
    "-b:v", `${kbps}k`, "-maxrate", `${kbps}k`, "-bufsize", `${kbps}k`, "-g", `${fps * fragmentS}`,
    "-keyint_min", `${fps * fragmentS}`, "-sc_threshold", "0", "-c:a", "aac", "-b:a", `${AUDIO_KBPS}k`,
    "-f", "flv", `rtmp://127.0.0.1:${rtmp}/hls/${KEY}_${name}`,
  ]);
  return ["-nostdin", "-v", "error", "-fflags", "nobuffer", "-i", `rtmp://127.0.0.1:${rtmp}/live/${KEY}`,
    "-filter_complex", [split, ...scaled].join(";"), ...outputs];
}

function start(command, args) {
  const child = spawn(command, args, { stdio: ["ignore", "ignore", "inherit"] });
  const exit = once(child, "exit");
  return {
    pid: child.pid,
    async stop() {
      if (child.exitCode === null) {
        child.kill("SIGTERM");
        await exit;
      }
    },
  };
}
