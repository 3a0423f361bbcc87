import assert from "node:assert/strict";
import { createHmac, timingSafeEqual } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { spawn, type ChildProcess } from "node:child_process";
import { after, before, test } from "node:test";
import { eventually } from "../helpers/eventually.ts";
import { Home, SESAME } from "../helpers/home.ts";

const SECRET = "a secret of the webhook, 32 bytes";
const CONFIG = 78;
const EXISTS = 73;

type Alert = { rule: string; severity: string; who: string | null; what: string; seq: number };
type Received = { readonly alert: Alert; readonly signature: string; readonly body: string };

let home: Home;
let receiver: Server;
/** What the receiver answers next; 200 when it is empty. */
const answers: number[] = [];
const received: Received[] = [];
const started: ChildProcess[] = [];

before(async () => {
  home = await Home.ready([{ name: "ci", kind: "ai" }]);
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString("utf8");
      const signature = String(request.headers["sesame-signature"]);
      const status = answers.shift() ?? 200;
      if (status === 200) received.push({ alert: JSON.parse(body) as Alert, signature, body });
      response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {}).end();
    });
  });
  receiver.listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const { port } = receiver.address() as AddressInfo;
  secretFile(`${SECRET}\n`);
  program("hook", 'cat >> "$HOME/hooked"');
  program("notify-send", 'printf "%s\\n" "$@" >> "$HOME/notified"');
  configure({
    least: "medium",
    actions: ["profile.create"],
    command: [join(home.path, "bin", "hook")],
    webhook: { url: `http://127.0.0.1:${port}/hook`, secretFile: join(home.path, "secret") },
    desktop: true,
  });
});

after(async () => {
  for (const child of started) child.kill("SIGKILL");
  receiver.close();
  await home[Symbol.asyncDispose]();
});

function configure(config: unknown, mode = 0o600): void {
  const path = join(home.paths.config, "alerts.json");
  writeFileSync(path, JSON.stringify(config), { mode });
  chmodSync(path, mode);
}

function secretFile(content: string, mode = 0o600): void {
  const path = join(home.path, "secret");
  writeFileSync(path, content);
  chmodSync(path, mode);
}

function program(name: string, line: string): void {
  mkdirSync(join(home.path, "bin"), { recursive: true });
  const path = join(home.path, "bin", name);
  writeFileSync(path, `#!/bin/sh\n${line}\n`);
  chmodSync(path, 0o755);
}

/** `sesame`, with programs of ours in front of the system's. */
function start(args = ["alerts", "run"]): ChildProcess {
  const PATH = `${join(home.path, "bin")}:${home.env["PATH"]}`;
  const env = { ...home.env, PATH };
  const child = spawn(SESAME, args, { env, cwd: home.path, stdio: "pipe" });
  started.push(child);
  return child;
}

async function stop(running: ChildProcess): Promise<number | null> {
  running.kill("SIGTERM");
  const [code] = (await once(running, "exit")) as [number | null];
  return code;
}

/** Resolves once it follows the log: its place in it is on disk. */
async function follows(running: ChildProcess): Promise<void> {
  assert.equal(running.exitCode, null);
  await eventually("the place in the log", () => {
    try {
      return readFileSync(join(home.paths.state, "alerts.json")).length > 0;
    } catch {
      return false;
    }
  });
}

async function misbehave(kind: "vault.lock" | "profile.activate"): Promise<void> {
  const ci = await home.connect("ci");
  const call =
    kind === "vault.lock"
      ? ci.call("vault.lock", { profile: null })
      : ci.call("profile.activate", { profile: "default" });
  await assert.rejects(call, { code: "capability-missing" });
  await ci.close();
}

const came = (rule: string, what: string): Promise<Received> =>
  eventually(`the alert about ${what}`, () =>
    received.find(({ alert }) => alert.rule === rule && alert.what.includes(what)),
  );

test("[ALERT-2] [ALERT-3] [ALERT-4] what stands out reaches every place, and nothing else does", async () => {
  // SECURITY: nobody would hear of a stolen key; or a forged alert would be taken for a true one.
  home.must(["secret", "set", "prod/database"], "the value itself");
  const running = start();
  await follows(running);
  await misbehave("vault.lock");
  const { alert, signature, body } = await came("undeclared", "vault.lock");
  assert.deepEqual([alert.who, alert.severity], ["ci", "medium"]);

  const [, seconds = "", mac = ""] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
  const expected = createHmac("sha256", SECRET).update(`${seconds}.${body}`).digest();
  assert.ok(timingSafeEqual(Buffer.from(mac, "hex"), expected));
  assert.ok(Math.abs(Number(seconds) - Date.now() / 1_000) < 300);

  home.must(["profile", "create", "work"], "correct horse\n");
  await came("action", "profile.create work");
  const hooked = await eventually("the command", () => {
    const lines = readFileSync(join(home.path, "hooked"), "utf8").trim().split("\n");
    return lines.length >= 2 && lines.map((line) => JSON.parse(line) as Alert);
  });
  assert.deepEqual(
    hooked.slice(0, 2).map(({ seq }) => seq),
    received.slice(0, 2).map(({ alert: { seq } }) => seq),
  );
  const notified = readFileSync(join(home.path, "notified"), "utf8");
  assert.match(notified, /--urgency=normal\n--\nSesame\nmedium: ci: [^\n]*vault\.lock/);
  assert.equal(await stop(running), 0);
  const said = JSON.stringify(received) + notified;
  for (const secret of ["the value itself", "prod/database", "correct horse", SECRET])
    assert.ok(!said.includes(secret), secret);
});

test("[ALERT-5] [ALERT-6] what nobody took is tried again, and a restart leaves nothing out", async () => {
  // SECURITY: whoever ends the program for a moment, or fills the receiver, would go unseen.
  const sofar = received.length;
  await misbehave("profile.activate");
  answers.push(500, 302);
  const running = start();
  await came("undeclared", "profile.activate");
  assert.deepEqual(answers, [], "a failure and a redirect came first");
  assert.equal(await stop(running), 0);
  const again = start();
  home.must(["profile", "create", "third"], "correct horse\n");
  await came("action", "profile.create third");
  assert.equal(await stop(again), 0);
  const rules = received.slice(sofar).map(({ alert: { rule, what } }) => `${rule} ${what}`);
  assert.equal(new Set(rules).size, rules.length, "nothing was told twice");
  assert.equal(rules.length, 2);
});

test("[ALERT-6] one process at a time sends", async () => {
  const running = start();
  home.must(["profile", "create", "fourth"], "correct horse\n");
  await came("action", "profile.create fourth");
  assert.equal(home.run(["alerts", "run"]).exit, EXISTS);
  assert.equal(await stop(running), 0);
});

test("alerts test says of each place whether it took it", async () => {
  const ask = async (): Promise<readonly [number | null, Record<string, string | null>]> => {
    const running = start(["alerts", "test", "--json"]);
    const chunks: Buffer[] = [];
    running.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
    const [code] = (await once(running, "close")) as [number | null];
    const { places } = JSON.parse(Buffer.concat(chunks).toString()) as {
      places: { name: string; error: string | null }[];
    };
    return [code, Object.fromEntries(places.map(({ name, error }) => [name, error]))];
  };
  const took = { command: null, webhook: null, desktop: null };
  assert.deepEqual(await ask(), [0, took]);
  answers.push(503);
  assert.deepEqual(await ask(), [69, { ...took, webhook: "the receiver answered 503" }]);
  program("hook", "exit 3");
  assert.deepEqual(await ask(), [69, { ...took, command: "it ended with exit code 3" }]);
});

test("[ALERT-1] a configuration or a secret that others can reach is refused", () => {
  // SECURITY: another user could have a program started, or sign alerts of its own.
  const path = join(home.paths.config, "alerts.json");
  const good = JSON.parse(readFileSync(path, "utf8")) as unknown;
  configure(good, 0o644);
  assert.equal(home.run(["alerts", "test"]).exit, CONFIG);
  configure(good);
  secretFile(SECRET, 0o640);
  assert.equal(home.run(["alerts", "test"]).exit, CONFIG);
  secretFile("short\n");
  assert.match(home.run(["alerts", "test"]).err, /shorter than 16 bytes/);
  secretFile(SECRET);
  configure({ desktop: true, commands: [] });
  assert.match(home.run(["alerts", "run"]).err, /a member beside/);
});
