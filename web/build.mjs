// Builds `client/` into `dist/`: hashed scripts and styles below `dist/assets/`, the pages that
// name them, and gzip and Brotli copies of each, made once here so that the server never
// compresses. `node build.mjs --tests` bundles `test/*.test.ts` for `node --test` instead.
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "dist");

const common = {
  absWorkingDir: root,
  bundle: true,
  format: "esm",
  target: ["es2022"],
  // hls.js's transmuxer is shipped as a file of its own (`new Worker(url)`), so that the pages'
  // Content-Security-Policy needs no script from a blob.
  // The notices of what is bundled go beside it.
  loader: { ".worker.js": "file", ".txt": "file" },
  logLevel: "warning",
};

if (process.argv.includes("--tests")) {
  await buildTests();
} else {
  await buildPages();
}

async function buildTests() {
  const names = (await readdir(join(root, "test"))).filter((name) => name.endsWith(".test.ts"));
  const outdir = join(root, "node_modules/.cache/millrace-tests");
  await rm(outdir, { recursive: true, force: true });
  await build({
    ...common,
    entryPoints: names.map((name) => `test/${name}`),
    outdir,
    outExtension: { ".js": ".mjs" },
    platform: "node",
  });
}

async function buildPages() {
  await mkdir(dist, { recursive: true });
  for (const name of await readdir(dist)) {
    await rm(join(dist, name), { recursive: true });
  }
  const result = await build({
    ...common,
    entryPoints: {
      api: "client/src/api.ts",
      landing: "client/src/landing.ts",
      watch: "client/src/watch.ts",
      "api-style": "client/style/api.css",
      "landing-style": "client/style/landing.css",
      "watch-style": "client/style/watch.css",
    },
    entryNames: "assets/[name]-[hash]",
    assetNames: "assets/[name]-[hash]",
    outdir: "dist",
    publicPath: "/",
    minify: true,
    legalComments: "none",
    metafile: true,
  });
  const assets = new Map();
  for (const [path, output] of Object.entries(result.metafile.outputs)) {
    if (output.entryPoint) {
      assets.set(basename(output.entryPoint), `/${path.replace(/^dist\//, "")}`);
    }
  }
  const logo = (await readFile(join(root, "client/logo.svg"), "utf8")).trim();
  for (const name of ["api.html", "index.html", "watch.html"]) {
    const page = await readFile(join(root, "client/pages", name), "utf8");
    await writeFile(join(dist, name), fill(page, name, assets, logo));
  }
  await compress(dist);
}

/// Puts the logo and the hashed names where the page says `{{logo}}` and `{{asset:watch.ts}}`.
function fill(page, name, assets, logo) {
  return page.replace(/\{\{(?:asset:)?([\w.-]+)\}\}/g, (_, key) => {
    const value = key === "logo" ? logo : assets.get(key);
    if (value === undefined) {
      throw new Error(`client/pages/${name} names ${key}, which the build did not make`);
    }
    return value;
  });
}

async function compress(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      await compress(path);
      continue;
    }
    const plain = await readFile(path);
    await writeFile(`${path}.gz`, gzipSync(plain, { level: 9 }));
    const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } };
    await writeFile(`${path}.br`, brotliCompressSync(plain, quality));
  }
}
