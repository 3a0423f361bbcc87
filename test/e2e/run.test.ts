import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { userInfo } from "node:os";
import { after, before, test } from "node:test";
import type { CommandRule, Grant } from "@sesame/core-authority";
import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, limits, type Command, type Result } from "@sesame/core-types";
import { auditEntries } from "../helpers/audit-log.ts";
import { eventually } from "../helpers/eventually.ts";
import { issue, signedChain } from "../helpers/granting.ts";
import { Home, type Ran } from "../helpers/home.ts";

const TOKEN = "tok/5f0e+9Qé-1234567890";
const profile = "default";

let home: Home;
let operator: BusClient;

const rule = (path: string, args: string[], more: Partial<CommandRule> = {}): CommandRule => ({
  path,
  sha256: null,
  args,
  directory: null,
  plain: false,
  ...more,
});
const SH = "/usr/bin/sh";
const here = (name: string): string => join(realpathSync(home.path), name);

/** A script of the user's own. */
function script(name: string, text: string): string {
  const path = here(name);
  rmSync(path, { force: true });
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

const digestOf = (path: string): Uint8Array =>
  createHash("sha256").update(readFileSync(path)).digest();

async function give(
  to: string,
  commands: readonly CommandRule[] | null,
  changes: Partial<Grant> = {},
  scope = "secret-use:api/*",
): Promise<string> {
  return issue(operator, signedChain(home, { to, scope, changes: { commands, ...changes } }));
}

const run = (who: string, command: readonly string[], input = "", env = {}): Ran =>
  home.run(
    ["--as", who, "run", "-p", profile, "--only", "api/token", "--", ...command],
    input,
    env,
  );

const commandOf = (path: string, args: string[] = []): Command => ({
  path,
  args,
  directory: "/",
  plain: false,
});

const isRefused = (cause: unknown): boolean =>
  cause instanceof Denial && cause.code === "capability-missing" && cause.detail === "";

async function as<T>(name: string, use: (bus: BusClient) => Promise<T>): Promise<T> {
  const bus = await home.connect(name);
  try {
    return await use(bus);
  } finally {
    await bus.close();
  }
}

const ticketFor = (bus: BusClient, command: Command): Promise<Uint8Array> =>
  bus
    .call("secret.use", { profile, names: ["api/token"], grant: null, command })
    .then(({ ticket }) => ticket);

async function start(bus: BusClient, command: Command): Promise<Result<"run.start">> {
  return bus.call("run.start", { ticket: await ticketFor(bus, command), command, files: [] });
}

/** What a run prints until it ends. */
async function toEnd(bus: BusClient, id: Uint8Array): Promise<Result<"run.read">> {
  const parts: Buffer[] = [];
  for (;;) {
    const read = await bus.call("run.read", { run: id, waitMs: 5_000 });
    parts.push(Buffer.from(read.output));
    if (read.ended !== null) return { ...read, output: Buffer.concat(parts) };
  }
}

const isThere = (pid: number): boolean => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
};

before(async () => {
  home = await Home.ready([
    // Several, since an agent may not ask as often as these tests do.
    { name: "bot", kind: "ai" },
    { name: "bee", kind: "ai" },
    { name: "cat", kind: "ai" },
    { name: "twin", kind: "ai" },
    { name: "short", kind: "ai" },
    { name: "tool", kind: "service", capabilities: [] },
    { name: "bare", kind: "ai" },
    { name: "plain", kind: "ai" },
    { name: "spy", kind: "daemon", clearance: "secrets-only" },
  ]);
  home.must(["secret", "set", "api/token"], TOKEN);
  home.must(["secret", "set", "db/password"], "another one");
  operator = await home.connect();
  const commands = [
    rule(SH, ["-c", "**"]),
    rule("/usr/bin/cat", []),
    rule("/usr/bin/env", []),
    rule("/usr/bin/yes", ["*"]),
    rule("/usr/bin/sleep", ["1000"]),
  ];
  for (const name of ["bot", "bee", "cat"]) await give(name, commands);
  for (const name of ["twin", "tool"]) await give(name, [rule(SH, ["-c", "**"])]);
});

after(async () => {
  await operator.close();
  await home[Symbol.asyncDispose]();
});

test("[RUN-1] an agent uses a secret that it cannot read", async () => {
  // SECURITY: an agent that can read what it uses can hand it to whoever talks it into that.
  const { exit, out, err } = run("bot", [SH, "-c", 'test "$API_TOKEN" = "$0"; echo $?', TOKEN]);
  assert.deepEqual({ exit, out, err }, { exit: 0, out: "0\n", err: "" });
  assert.equal(home.run(["--as", "bot", "secret", "get", "api/token"]).exit, 77);
  assert.equal(home.run(["--as", "bot", "env", "--", "/usr/bin/env"]).exit, 77);
  await as("bot", async (bus) => {
    const ticket = await ticketFor(bus, commandOf(SH, ["-c", "true"]));
    const redeeming = {
      ticket,
      caller: "bot",
      session: bus.session,
      command: commandOf(SH, ["-c", "true"]),
      sha256: new Uint8Array(32),
    };
    await assert.rejects(bus.call("secret.redeem", redeeming), Denial);
  });
  // SECURITY: [RUN-2] not even the operator gets values for a ticket.
  await assert.rejects(
    operator.call("secret.redeem", {
      ticket: new Uint8Array(32),
      caller: "bot",
      session: operator.session,
      command: commandOf(SH),
      sha256: new Uint8Array(32),
    }),
    isRefused,
  );
});

test("[APPROVE-1] an agent uses a protected secret once the operator has agreed", async () => {
  // SECURITY: what is asked for before it is read would be used without a question.
  const protect = (ask: boolean): Promise<unknown> =>
    operator.call("secret.protect", { profile, name: "api/token", ask });
  await protect(true);
  try {
    const flags = ["--as", "cat", "run", "-p", profile, "--only", "api/token", "--wait", "0s"];
    const used = ["--", SH, "-c", 'test "$API_TOKEN" = "$0"; echo $?', TOKEN];
    assert.equal(home.run([...flags, ...used]).exit, 75);
    const [asked] = (await operator.call("approval.list", {})).asked;
    assert.deepEqual([asked?.name, asked?.capability], ["cat", "secret-use"]);
    await operator.call("approval.answer", { id: asked?.id ?? "", answer: "once", forMs: 0 });
    const { exit, out } = home.run([...flags, ...used]);
    assert.deepEqual({ exit, out }, { exit: 0, out: "0\n" });
    assert.equal(home.run([...flags, ...used]).exit, 75);
  } finally {
    await protect(false);
  }
});

test("[RUN-2] a daemon that is not the launcher redeems nothing", async () => {
  // SECURITY: a bus host that is taken over would collect the values of every ticket.
  await as("bot", async (bus) => {
    const command = commandOf(SH, ["-c", "true"]);
    const ticket = await ticketFor(bus, command);
    const sha256 = new Uint8Array(32);
    const redeeming = { ticket, caller: "bot", session: bus.session, command, sha256 };
    await as("spy", (spy) => assert.rejects(spy.call("secret.redeem", redeeming), isRefused));
    const asking = { tickets: [ticket] };
    await as("spy", (spy) => assert.rejects(spy.call("secret.standing", asking), isRefused));
  });
});

test("[RUN-13] what a program prints of a secret does not reach the agent", () => {
  const prints = [
    'echo "$API_TOKEN"',
    'printf %s "$API_TOKEN" | base64',
    'printf x%s "$API_TOKEN" | base64 -w 7',
    'printf %s "$API_TOKEN" | od -An -v -tx1 | tr -d " \\n"',
    'echo "$API_TOKEN" >&2',
  ];
  for (const print of prints) {
    const { exit, out, err } = run("bot", [SH, "-c", print]);
    assert.equal(exit, 0, err);
    assert.match(out + err, /\[redacted api\/token\]/, print);
    const forms = [
      TOKEN,
      Buffer.from(TOKEN).toString("base64"),
      Buffer.from(TOKEN).toString("hex"),
    ];
    for (const form of forms)
      assert.ok(!(out + err).includes(form.slice(0, 8)), `${print}: ${out}${err}`);
  }
  assert.match(run("bot", ["/usr/bin/env"]).out, /^API_TOKEN=\[redacted api\/token\]$/m);
});

test("[RUN-1] no grant, no run: not for an agent, a service or the operator", () => {
  // SECURITY: an agent with `secret-use` by enrolment would run any program with any secret.
  for (const name of ["bare", "operator"]) {
    const { exit, err } = run(name, [SH, "-c", "true"]);
    assert.equal(exit, 77, name);
    assert.match(err, /no grant lets this identity/);
  }
  assert.equal(run("tool", [SH, "-c", "true"]).exit, 0, "a grant is enough without enrolment");
  const other = ["--as", "bot", "run", "--only", "db/password", "--", SH, "-c", "true"];
  assert.equal(home.run(other).exit, 77);
});

test("[RUN-1] without a grant nothing is learned and nobody is asked", async () => {
  // SECURITY: names, protection and locks would show, and people tire of questions.
  await operator.call("secret.protect", { profile, name: "db/password", ask: true });
  try {
    await as("bare", async (bus) => {
      const command = commandOf(SH);
      for (const [where, name] of [
        [profile, "db/password"],
        [profile, "db/absent"],
        ["absent", "db/password"],
      ] as const)
        await assert.rejects(
          bus.call("secret.use", { profile: where, names: [name], grant: null, command }),
          isRefused,
        );
    });
    const { asked } = await operator.call("approval.list", {});
    assert.ok(!asked.some(({ name }) => name === "bare"));
  } finally {
    await operator.call("secret.protect", { profile, name: "db/password", ask: false });
  }
});

test("[RUN-1] commands that the grant does not admit are refused, however they are put", () => {
  // SECURITY: one way round the list is enough to print the secret.
  const evil = script("sh", 'echo "$API_TOKEN"');
  mkdirSync(here("bin"), { recursive: true });
  copyFileSync(evil, here("bin/cat"));
  chmodSync(here("bin/cat"), 0o755);
  for (const command of [
    ["/usr/bin/id"],
    [SH],
    [SH, "-x", "-c", "true"],
    [SH, "script"],
    [evil, "-c", "true"],
    ["./sh", "-c", "true"],
    ["/usr/bin/../bin/env", "x"],
    ["/usr/bin/cat", "/etc/hostname"],
    ["/usr/bin/sleep", "1000", "1"],
    ["/usr/bin/yes", "-x"],
  ])
    assert.equal(run("bot", command).exit, 77, command.join(" "));
  const path = { PATH: `${here("bin")}:/usr/bin` };
  assert.equal(run("bot", ["cat"], "", path).exit, 77, "PATH leads to a path that is not admitted");
  assert.equal(run("bot", ["/nonexistent"]).exit, 127);
});

test("[RUN-4] a program with another digest is not run", async () => {
  // SECURITY: an agent would put its own program in the place of the one that was granted.
  const path = script("deploy", 'echo "deployed $1"');
  await give("short", [rule(path, ["*"], { sha256: digestOf(path) })]);
  assert.deepEqual(run("short", [path, "x"]), { exit: 0, out: "deployed x\n", err: "" });
  script("deploy", 'echo "$API_TOKEN" | rev');
  const { exit, out } = run("short", [path, "x"]);
  assert.deepEqual([exit, out], [77, ""]);
  rmSync(path);
  symlinkSync(script("evil", 'echo "$API_TOKEN" | rev'), path);
  assert.equal(run("short", [path, "x"]).exit, 77, "nor one that a link leads to");
  const refused = (await auditEntries(home)).filter(({ outcome }) =>
    outcome.includes("program-differs"),
  );
  assert.equal(refused.length, 2);
});

test("[RUN-7] the caller's environment does not reach the program", () => {
  // SECURITY: LD_PRELOAD, PATH or AWS_ENDPOINT_URL would hand the secret to the caller.
  const { out } = run("bot", ["/usr/bin/env"], "", {
    LD_PRELOAD: "",
    AWS_ENDPOINT_URL: "http://evil",
    HTTPS_PROXY: "http://evil",
    BASH_ENV: "/tmp/evil",
    FOO: "bar",
  });
  const names = out.split("\n").flatMap((line) => /^([A-Z_]+)=/.exec(line)?.[1] ?? []);
  assert.deepEqual(
    names.sort(),
    ["API_TOKEN", "HOME", "LANG", "LOGNAME", "PATH", "SESAME_RUN", "TERM", "USER"].sort(),
  );
  assert.match(out, new RegExp(`^HOME=${userInfo().homedir}$`, "m"));
});

test("[RUN-8] a secret in a file is not in the environment", () => {
  const { out } = home.run([
    "--as",
    "bot",
    "run",
    "--file",
    "api/token",
    "--only",
    "api/token",
    "--",
    SH,
    "-c",
    'echo "$API_TOKEN"; wc -c < "$API_TOKEN"; echo x > "$API_TOKEN" || echo sealed',
  ]);
  assert.equal(out, `/proc/self/fd/4\n${Buffer.byteLength(TOKEN)}\nsealed\n`);
});

test("[RUN-3] a ticket is for one run, of one command, by one session", async () => {
  // SECURITY: whoever gets hold of a ticket would have the secret used for its own ends.
  const command = commandOf(SH, ["-c", "true"]);
  const other = commandOf(SH, ["-c", "echo $API_TOKEN | rev"]);
  await as("bot", async (bus) => {
    const ticket = await ticketFor(bus, command);
    const { run: id } = await bus.call("run.start", { ticket, command, files: [] });
    assert.equal((await toEnd(bus, id)).ended?.code, 0);
    await assert.rejects(bus.call("run.start", { ticket, command, files: [] }), isRefused);
    const second = await ticketFor(bus, command);
    const swapped = { ticket: second, command: other, files: [] };
    await assert.rejects(bus.call("run.start", swapped), isRefused);
    const third = await ticketFor(bus, command);
    const shown = { ticket: third, command, files: [] };
    await as("twin", (twin) => assert.rejects(twin.call("run.start", shown), isRefused));
    const fourth = await ticketFor(bus, command);
    const again = { ticket: fourth, command, files: [] };
    await as("bot", (later) => assert.rejects(later.call("run.start", again), isRefused));
  });
});

test("[RUN-23] without a ticket the launcher looks at nothing", async () => {
  // SECURITY: any identity would learn which files there are, and keep the launcher hashing.
  await as("tool", async (bus) => {
    const attempts = ["/nowhere/at/all", "/etc/passwd", SH].flatMap((path) => [
      commandOf(path),
      { ...commandOf(path), directory: "/nowhere" },
    ]);
    for (const command of attempts)
      await assert.rejects(
        bus.call("run.start", { ticket: new Uint8Array(32), command, files: [] }),
        isRefused,
        command.path,
      );
  });
  await as("bot", async (bus) => {
    // A ticket is not spent where the program cannot be run.
    const gone = { ...commandOf(SH, ["-c", "true"]), directory: here("gone") };
    const ticket = await ticketFor(bus, gone);
    const go = () => bus.call("run.start", { ticket, command: gone, files: [] });
    await assert.rejects(go(), { code: "directory-refused" });
    mkdirSync(here("gone"));
    await toEnd(bus, (await go()).run);
    rmSync(here("gone"), { recursive: true });
  });
});

test("[RUN-25] programs leave no core dumps", () => {
  // SECURITY: the memory of a program that crashes, secrets and all, would lie in a file.
  const { out } = run("bee", ["sh", "-c", "ulimit -c; ulimit -Hc"]);
  assert.equal(out, "0\n0\n");
});

test("[RUN-5] a ticket is worth nothing once its grant has ended", async () => {
  const id = await give("twin", [rule("/usr/bin/env", [])]);
  await as("twin", async (bus) => {
    const command = commandOf("/usr/bin/env");
    const ticket = await ticketFor(bus, command);
    await operator.call("grant.revoke", { grant: id, identity: null });
    await assert.rejects(bus.call("run.start", { ticket, command, files: [] }), isRefused);
  });
});

test("[RUN-5] a last use ends when its grant is revoked", async () => {
  // SECURITY: a run under a grant for one use could not be stopped by who gave it.
  const id = await give("plain", [rule("/usr/bin/sleep", ["1000"])], { maxUses: 1 });
  await as("plain", async (bus) => {
    const { run: running } = await start(bus, commandOf("/usr/bin/sleep", ["1000"]));
    const { changed } = await operator.call("grant.revoke", { grant: id, identity: null });
    assert.ok(changed);
    assert.equal((await toEnd(bus, running)).ended?.stopped, "right-ended");
  });
});

test("what is wrong with a command line is said before a use is spent", async () => {
  const grant = await give("bee", [rule("/usr/bin/cat", ["**"])], { maxUses: 1 });
  const ran = (...args: string[]): Ran =>
    home.run(["--as", "bee", "run", "-p", profile, ...args], "");
  const cat = ["--", "/usr/bin/cat"];
  const only = ["--only", "api/token"];
  for (const [args, exit, said] of [
    [[...only, ...cat, "x".repeat(16 * 1024 + 1)], 64, /argument 1 .* longer than 16384 bytes/],
    [[...only, ...cat, ...Array<string>(257).fill("x")], 64, /more than 256 arguments/],
    [
      [...only, "--file", "api/tokn", ...cat],
      64,
      /`--file` names api\/tokn, .*\n.*are: api\/token/,
    ],
    [["--file", "no name", ...cat], 65, /name is not allowed/],
    [[...only, "--grant", "g1", ...cat], 64, /g1 is no id/],
    [
      [...only, "--grant", "0198c2f4-0000-7000-8000-000000000009", ...cat],
      66,
      /no living grant .*\n.*`sesame grant list`/,
    ],
  ] as const) {
    const { exit: code, err } = ran(...args);
    assert.equal(code, exit, err);
    assert.match(err, said);
  }
  const elsewhere = ran(...only, "--grant", grant, "--", "/usr/bin/true");
  assert.match(elsewhere.err, /no grant lets this identity run that command/);
  assert.equal(ran(...only, "--grant", grant, ...cat).exit, 0);
});

test("`--json` leaves the output as it is, and makes errors readable for programs", () => {
  const ran = (...command: string[]): Ran =>
    home.run(["--as", "bee", "run", "-p", profile, "--only", "api/token", "--json", ...command]);
  const said = ran("--", "sh", "-c", "echo said");
  assert.deepEqual([said.exit, said.out], [0, "said\n"]);
  const { error } = JSON.parse(ran("--", "/usr/bin/true").err) as { error: { exit: number } };
  assert.equal(error.exit, 77);
});

test("[RUN-5] each run is one use, by enrolment and by grant alone, and the last one still runs", async () => {
  for (const name of ["short", "tool"]) {
    await give(name, [rule("/usr/bin/env", [])], { maxUses: 2 });
    assert.deepEqual(
      [1, 2, 3].map(() => run(name, ["/usr/bin/env"]).exit),
      [0, 0, 77],
      name,
    );
  }
});

test("input, exit codes and signals pass through", async () => {
  const long = "0123456789abcdef".repeat(40_000);
  assert.ok(run("bee", ["/usr/bin/cat"], long).out === long);
  assert.equal(run("bee", ["/usr/bin/cat"], `a ${TOKEN} b`).out, "a [redacted api/token] b");
  assert.equal(run("bee", [SH, "-c", "exit 7"]).exit, 7);
  assert.equal(run("bee", [SH, "-c", "kill -9 $$"]).exit, 137);
  await as("bee", async (bus) => {
    const trap = "trap 'echo got it; exit 3' INT; echo ready; while :; do sleep 0.05; done";
    const { run: id } = await start(bus, commandOf(SH, ["-c", trap]));
    const { output } = await bus.call("run.read", { run: id, waitMs: 5_000 });
    assert.equal(Buffer.from(output).toString(), "ready\n");
    await bus.call("run.signal", { run: id, signal: "SIGINT" });
    const { output: rest, ended } = await toEnd(bus, id);
    assert.equal(Buffer.from(rest).toString(), "got it\n");
    assert.deepEqual(ended, { code: 3, signal: null, stopped: null });
  });
});

test("[RUN-11] a program that prints without end waits for its reader", async () => {
  // SECURITY: it would fill the launcher's memory.
  await as("bee", async (bus) => {
    const { run: id, pid } = await start(bus, commandOf("/usr/bin/yes", ["y".repeat(500)]));
    let total = 0;
    for (let i = 0; i < 20; i += 1) {
      const { output } = await bus.call("run.read", { run: id, waitMs: 5_000 });
      assert.ok(output.length <= limits.MAX_RUN_OUTPUT);
      total += output.length;
    }
    assert.ok(total > limits.MAX_RUN_OUTPUT);
    await bus.call("run.signal", { run: id, signal: "SIGTERM" });
    await toEnd(bus, id);
    assert.ok(!isThere(pid));
  });
});

test("[RUN-9] a run is nobody else's", async () => {
  // SECURITY: another agent would read its output, type into it, or end it.
  await as("bee", async (bus) => {
    const { run: id } = await start(bus, commandOf("/usr/bin/cat"));
    const isUnknown = (cause: unknown): boolean =>
      cause instanceof Denial && cause.code === "run-unknown";
    for (const name of ["twin", "bee", "operator"])
      await as(name, async (other) => {
        await assert.rejects(other.call("run.read", { run: id, waitMs: 0 }), isUnknown);
        const data = Buffer.from("x");
        await assert.rejects(other.call("run.write", { run: id, data, end: true }), isUnknown);
        await assert.rejects(other.call("run.signal", { run: id, signal: "SIGTERM" }), isUnknown);
      });
    await bus.call("run.write", { run: id, data: Buffer.from("mine"), end: true });
    assert.equal(Buffer.from((await toEnd(bus, id)).output).toString(), "mine");
  });
});

test("[RUN-26] a command that reads late gets all of its input, and its end", () => {
  // Longer than a call waits, and than the one behind it waits for that one.
  const late = `sleep ${(2 * limits.MAX_RUN_WAIT_MS) / 1_000 + 1}; wc -c`;
  const { exit, out, err } = run("twin", [SH, "-c", late], "x".repeat(1_000_000));
  assert.deepEqual({ exit, out, err }, { exit: 0, out: "1000000\n", err: "" });
});

test("[RUN-10] a run ends with its grant, and with its vault", async () => {
  // SECURITY: whoever revokes a grant wants what runs under it to stop.
  const ends = [
    async (id: string) => {
      await operator.call("grant.revoke", { grant: id, identity: null });
    },
    async () => {
      await operator.call("vault.lock", { profile: null });
    },
  ];
  for (const end of ends) {
    const id = await give("twin", [rule("/usr/bin/sleep", ["1000"])]);
    await as("twin", async (bus) => {
      const { run: run_, pid } = await start(bus, commandOf("/usr/bin/sleep", ["1000"]));
      await end(id);
      const { ended } = await toEnd(bus, run_);
      assert.deepEqual(ended, { code: null, signal: "SIGTERM", stopped: "right-ended" });
      assert.ok(!isThere(pid));
    });
    home.run(["unlock"], "correct horse\n");
  }
});

test("[RUN-10] a run ends when its starter is gone", async () => {
  const bus = await home.connect("cat");
  const { pid } = await start(bus, commandOf("/usr/bin/sleep", ["1000"]));
  await bus.close();
  assert.ok(isThere(pid));
  await eventually("the run to end", () => !isThere(pid));
});

test("[RUN-17] nothing of a run outlives it", async () => {
  // SECURITY: a process that was left behind keeps the secret after the grant has ended.
  const left = 'setsid sleep 1000 & (sleep 1000 &) ; sh -c "sleep 1000" & echo started';
  await as("cat", async (bus) => {
    const { run: id } = await start(bus, commandOf(SH, ["-c", left]));
    const { ended } = await toEnd(bus, id);
    assert.equal(ended?.code, 0);
    const mark = Buffer.from(id).toString("hex");
    assert.deepEqual(marked(mark), []);
  });
});

test("[RUN-24] a process that got away and holds the output keeps nobody waiting", async () => {
  // SECURITY: an agent would hold its runs, and with them the launcher's room, for ever.
  await as("bee", async (bus) => {
    const away = here("away");
    const hides = `env -i setsid sh -c ': > ${away}; exec sleep 600' &`;
    const waits = `while ! [ -e ${away} ]; do :; done; echo $!`;
    const { run: id } = await start(bus, commandOf(SH, ["-c", `${hides} ${waits}`]));
    const { output, ended } = await toEnd(bus, id);
    assert.equal(ended?.code, 0);
    const pid = Number(Buffer.from(output).toString());
    assert.ok(isThere(pid), "it got away");
    process.kill(pid, "SIGKILL");
    // What an honest program leaves in its pipe is all there, also for a late reader.
    const length = limits.MAX_RUN_OUTPUT + 10_000;
    const whole = await start(bus, commandOf(SH, ["-c", `head -c ${length} /dev/zero`]));
    await eventually("the program's end", () => !isThere(whole.pid));
    assert.equal((await toEnd(bus, whole.run)).output.length, length);
  });
});

test("[RUN-17] what a killed launcher left is ended by the next", async () => {
  await as("cat", async (bus) => {
    const { run: id, pid } = await start(bus, commandOf("/usr/bin/sleep", ["1000"]));
    assert.equal(marked(Buffer.from(id).toString("hex")).length, 1);
    process.kill(home.pidOf("daemon-launcher"), "SIGKILL");
    await eventually("the remains to end", () => !isThere(pid));
    await assert.rejects(bus.call("run.read", { run: id, waitMs: 0 }), Denial);
  });
  await eventually("the launcher to serve again", () => run("cat", [SH, "-c", "true"]).exit === 0);
});

test("[RUN-16] secrets stay in the output only if asked for and granted", async () => {
  const command = ["run", "--no-redact", "--", "/usr/bin/env"];
  assert.equal(home.run(["--as", "cat", ...command]).exit, 77);
  await give("plain", [rule("/usr/bin/env", [], { plain: true })]);
  assert.match(run("plain", ["/usr/bin/env"]).out, /API_TOKEN=\[redacted/);
  assert.ok(home.run(["--as", "plain", ...command]).out.includes(`API_TOKEN=${TOKEN}\n`));
});

test("[RUN-16] values that are too long to be kept out of the output are not handed over", async () => {
  home.must(["secret", "set", "big/one"], "x".repeat(limits.MAX_REDACTED_BYTES + 1));
  await give("plain", [rule(SH, ["-c", "**"], { plain: true })], {}, "secret-use:big/*");
  const wish = ["--as", "plain", "run", "--only", "big/one"];
  const refused = home.run([...wish, "--", SH, "-c", "true"]);
  assert.equal(refused.exit, 65, refused.err);
  assert.match(refused.err, /too long to be kept out/);
  const plain = home.run([...wish, "--no-redact", "--", SH, "-c", "echo ${#BIG_ONE}"]);
  assert.equal(plain.out, `${limits.MAX_REDACTED_BYTES + 1}\n`, plain.err);
});

test("[RUN-12] no value is in the launcher's environment, arguments or readable memory", () => {
  // SECURITY: any program of the user could read it there.
  const pid = home.pidOf("daemon-launcher");
  const read = (file: string): string => readFileSync(`/proc/${pid}/${file}`, "latin1");
  assert.ok(!read("cmdline").includes("tok/"));
  // Who is not root may not even look at the environment.
  if (process.getuid?.() === 0) assert.ok(!read("environ").includes("tok/"));
  else assert.throws(() => read("environ"), { code: "EACCES" });
});

test("[RUN-18] programs gain no privileges, and inherit none of the daemons' confinement", () => {
  const { out } = run("cat", [SH, "-c", "grep -E 'NoNewPrivs|Seccomp_filters' /proc/self/status"]);
  const filters = /Seccomp_filters:\s+(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
  assert.match(out, /NoNewPrivs:\s+1/);
  assert.match(out, new RegExp(`Seccomp_filters:\\s+${filters}\\b`));
});

test("a run leaves its story in the log: who, which secret, which command, how it ended", async () => {
  run("cat", [SH, "-c", "exit 3"]);
  const entries = await auditEntries(home);
  const about = (action: string) => entries.filter((entry) => entry.action === action).slice(-3);
  assert.ok(about("secret.use").some(({ object }) => object === `command:${SH}`));
  assert.ok(about("secret.redeem").some(({ object }) => object === "for:cat"));
  assert.ok(about("run.end").some(({ outcome }) => outcome === "exit 3"));
  assert.ok(!JSON.stringify(entries).includes("tok/"));
  assert.ok(existsSync(home.paths.launcher));
});

function marked(mark: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/environ`, "latin1").includes(mark);
    } catch {
      return false;
    }
  });
}
