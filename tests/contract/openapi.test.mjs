// The API keeps to its own description: Schemathesis makes requests, valid and not, out of
// /api/v1/openapi.json, and every answer has to be one that stands there. Once for each kind of caller,
// and on each database.
//
//   node --test tests/contract/openapi.test.mjs
//
// CONTRACT_EXAMPLES is how many requests of chance each operation gets from each caller, on PostgreSQL
// a third of them, CONTRACT_SEED which. What fails is printed with the curl command that repeats it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { root, startServer } from "../browser/rig.mjs";
import { programs, startPostgres } from "./postgres.mjs";

const PROGRAM = join(root, "target/schemathesis/bin/schemathesis");
/** Five callers with so many take about a minute. */
const EXAMPLES = Number(process.env.CONTRACT_EXAMPLES ?? 8);
const SEED = process.env.CONTRACT_SEED ?? "1";
const PASSWORD = "saltwater 42";
/** A server that does not answer is a failure of its own. */
const REQUEST_WITHIN_S = 20;
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_schema_conformance",
  "response_headers_conformance",
];

/** What the server's log says of its own faults. */
function troubles(log) {
  const lines = log.split("\n").filter((line) => / (WARN|ERROR) /.test(line));
  return lines.slice(-20).join("\n");
}

/** Nobody is refused for asking much, and anybody may register. */
const SETTINGS = {
  MILLRACE_API_REGISTRATION: "open",
  MILLRACE_API_REQUESTS_PER_MINUTE: "1000000",
  MILLRACE_API_LOGINS_PER_MINUTE: "1000",
  MILLRACE_API_REGISTRATIONS_PER_HOUR: "1000000",
};

const missing = !existsSync(PROGRAM) ? "Schemathesis" : !programs() ? "PostgreSQL" : undefined;
const skip = missing && `${missing} is not installed: scripts/install-deps.sh test`;
// Where nobody reads what was skipped.
if (skip && process.env.CI) {
  throw new Error(skip);
}

/** Who has no token. */
const NOBODY = null;

for (const [database, start, examples, callers] of [
  ["SQLite", async () => ({ stop: async () => {} }), EXAMPLES, ["admin", "streamer", "viewer", NOBODY]],
  // Whose statements are the same: the operator and one who has things of its own reach all of them.
  ["PostgreSQL", startPostgres, Math.ceil(EXAMPLES / 3), ["streamer"]],
])
describe(`the API answers as its description says, on ${database}`, { skip, timeout: 300_000 }, () => {
  let [rows, server, folder] = [];

  before(async () => {
    [rows, folder] = await Promise.all([start(), mkdtemp(join(tmpdir(), "millrace-contract-"))]);
    server = await startServer(rows.url ? { ...SETTINGS, MILLRACE_DATABASE_URL: rows.url } : SETTINGS);
  });

  after(async () => {
    await server?.stop();
    await rows?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("to the operator", () => keeps(() => server.adminToken));
  for (const role of callers) {
    const [name, ask] = role === NOBODY ? ["somebody without a token", () => null] : [`a user who is ${role}`, () => logIn(role)];
    test(`to ${name}`, () => keeps(ask));
  }

  async function keeps(ask) {
    const token = await ask();
    const { code, output } = await schemathesis(token === null ? [] : ["--header", `Authorization: Bearer ${token}`]);
    assert.equal(code, 0, `${output}\n${troubles(server.log)}`);
  }

  async function schemathesis(more) {
    const args = [
      "run", `${server.origin}/api/v1/openapi.json`, "--url", server.origin, "--checks", CHECKS.join(","),
      "--max-examples", `${examples}`, "--seed", SEED, "--no-shrink", "--continue-on-failure",
      // Whoever calls is said by the header alone.
      "--generation-with-security-parameters", "false", "--generation-database", "none",
      "--suppress-health-check", "all", "--request-timeout", `${REQUEST_WITHIN_S}`,
      "--warnings", "off", "--output-truncate", "false", "--no-color", ...more,
    ];
    const env = { ...process.env, PYTHONPATH: join(root, "tests/contract"), SCHEMATHESIS_HOOKS: "media_types", PYTHONDONTWRITEBYTECODE: "1" };
    const child = spawn(PROGRAM, args, { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    }
    const [code] = await once(child, "close");
    return { code, output };
  }

  /** The access token of a new user with this role. */
  async function logIn(role) {
    const name = `the-${role}`;
    const { id } = await call("POST", "users", { name, email: `${role}@example.org`, password: PASSWORD });
    await call("PATCH", `users/${id}`, { role });
    const { access_token: token } = await call("POST", "session", { login: name, password: PASSWORD });
    return token;
  }

  async function call(method, path, body) {
    const answer = await fetch(`${server.origin}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${server.adminToken}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer.json();
  }
});
