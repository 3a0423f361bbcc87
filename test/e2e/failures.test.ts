import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { keyFileOf, createKeyFile } from "@sesame/core-ipc/daemon";
import { DAEMONS, EXIT_CODES } from "@sesame/core-types";
import { DirectDaemon } from "../helpers/direct-daemon.ts";
import { Home, PASSWORD, SESAME, type Ran } from "../helpers/home.ts";
import { OrdinaryUser } from "../helpers/ordinary-user.ts";
import { killAll } from "../helpers/processes.ts";
import { onTerminal } from "../helpers/terminal.ts";

const isRoot = process.getuid?.() === 0;

type Failure = {
  readonly what: string;
  readonly args: readonly string[];
  readonly input?: string | Uint8Array;
  readonly exit: number;
  /** In the message. */
  readonly said: RegExp;
  /** In the hint. */
  readonly hint?: RegExp;
};

/** Nothing on stdout, one message, one hint, an exit code from the table. */
function expectFailure({ exit, out, err }: Ran, wanted: Omit<Failure, "args" | "what">): void {
  assert.equal(exit, wanted.exit, `${out}${err}`);
  assert.ok(Object.values(EXIT_CODES).some(({ code }) => code === exit));
  assert.equal(out, "");
  const [, message, hint] = /^sesame: ([^\n]+)\n {2}hint: ([^\n]+)\n$/.exec(err) ?? [];
  assert.ok(message !== undefined && hint !== undefined, `not a message with a hint: ${err}`);
  assert.match(message, wanted.said);
  assert.match(hint, wanted.hint ?? /./);
}

function expectJsonFailure({ exit, out, err }: Ran, wanted: Omit<Failure, "args" | "what">): void {
  assert.equal(exit, wanted.exit);
  assert.equal(out, "");
  assert.equal(err.trimEnd().split("\n").length, 1);
  const { error } = JSON.parse(err) as { error: Record<string, unknown> };
  assert.deepEqual(Object.keys(error), ["code", "message", "hint", "exit"]);
  assert.equal(error["exit"], wanted.exit);
  assert.match(String(error["message"]), wanted.said);
}

/** A home with one secret, to see that nothing is lost. */
async function homeWithSecret(): Promise<Home> {
  const home = await Home.ready();
  home.must(["secret", "set", "kept"], "value");
  return home;
}

function expectKept(home: Home): void {
  assert.equal(home.must(["secret", "get", "kept"]), "value");
}

describe("requests that cannot be met", () => {
  let home: Home;

  before(async () => {
    home = await homeWithSecret();
  });

  after(async () => {
    expectKept(home);
    await home[Symbol.asyncDispose]();
  });

  const failures: readonly Failure[] = [
    { what: "an unknown command", args: ["nonsense"], exit: 64, said: /unknown command/ },
    { what: "an unknown flag", args: ["status", "--nope"], exit: 64, said: /--nope/ },
    { what: "a missing word", args: ["secret", "get"], exit: 64, said: /missing.*name/ },
    { what: "a word too many", args: ["secret", "get", "a", "b"], exit: 64, said: /too many/ },
    {
      what: "half a command",
      args: ["secret"],
      exit: 64,
      said: /`sesame secret` is not complete: set, get, list, delete/,
    },
    { what: "no command for env", args: ["env"], exit: 64, said: /command/ },
    { what: "a format that is none", args: ["export", "-f", "xml"], exit: 64, said: /xml/ },
    { what: "a count that is none", args: ["audit", "tail", "-n", "x"], exit: 64, said: /count/ },
    { what: "a prefix that is none", args: ["export", "--prefix", "1"], exit: 64, said: /"1"/ },
    {
      what: "two profiles for one secret",
      args: ["secret", "get", "kept", "-p", "a,b"],
      exit: 64,
      said: /one profile/,
    },
    { what: "an unknown secret", args: ["secret", "get", "no"], exit: 66, said: /no secret no/ },
    {
      what: "an unknown secret to delete",
      args: ["secret", "delete", "no", "-y"],
      exit: 66,
      said: /no secret no/,
    },
    ...[["secret", "list"], ["unlock"], ["lock"], ["export"]].map((args) => ({
      what: `an unknown profile for ${args.join(" ")}`,
      args: [...args, "-p", "nowhere"],
      exit: 66,
      said: /nowhere/,
      hint: /profile (list|create)/,
    })),
    {
      what: "an unknown profile to activate",
      args: ["profile", "activate", "nowhere"],
      exit: 66,
      said: /no profile nowhere/,
    },
    ...["a//b", "../a", "/a", "a/", "a b", "ä", "x".repeat(257)].map((name) => ({
      what: `the secret name ${name.slice(0, 8)}`,
      args: ["secret", "set", name],
      input: "new",
      exit: 65,
      said: /name is not allowed/,
      hint: /letters, digits/,
    })),
    ...["a/b", ".a", "a..b", "x".repeat(65)].map((name) => ({
      what: `the profile name ${name.slice(0, 8)}`,
      args: ["profile", "create", name],
      input: "password\n",
      exit: 65,
      said: /name is not allowed/,
    })),
    {
      what: "a value beyond 1 MiB",
      args: ["secret", "set", "kept"],
      input: new Uint8Array(1_048_577).fill(97),
      exit: 65,
      said: /larger than 1 MiB/,
    },
    {
      what: "an empty password",
      args: ["profile", "create", "p"],
      input: "\n",
      exit: 65,
      said: /empty password/,
    },
    {
      what: "no password at all",
      args: ["profile", "create", "p"],
      exit: 69,
      said: /nothing on stdin/,
      hint: /terminal/,
    },
    {
      what: "no answer to a question",
      args: ["secret", "delete", "kept"],
      exit: 130,
      said: /nothing was deleted/,
      hint: /--yes/,
    },
    {
      what: "an anchor file that is not there",
      args: ["audit", "verify", "--anchor", "/nowhere/file"],
      exit: 66,
      said: /\/nowhere\/file/,
    },
    {
      what: "an anchor file that is none",
      args: ["audit", "verify", "--anchor", "/proc/self/cmdline"],
      exit: 65,
      said: /not a checkpoint/,
    },
    { what: "a second supervisor", args: ["daemon", "run"], exit: 73, said: /running.*pid \d+/ },
  ];
  for (const failure of failures)
    test(`${failure.what}: exit ${failure.exit}`, () => {
      const { args, input } = failure;
      const ran = home.run(args, input);
      // The question itself comes first.
      const err = ran.err.replace(/^Delete .* \[y\/N\] /, "");
      expectFailure({ ...ran, err }, failure);
      if (err === ran.err) expectJsonFailure(home.run([...args, "--json"], input), failure);
    });

  test("help is help, whichever way it is asked for", () => {
    for (const args of [[], ["help"], ["--help"]]) {
      const { exit, out } = home.run(args);
      assert.equal(exit, 0);
      assert.match(out, /^Usage: sesame [^]*\n {2}unlock /);
    }
    assert.match(home.must(["help", "audit"]), /^Usage: sesame audit [^]*verify/);
    assert.match(home.must(["help", "secret", "set"]), /^Usage: sesame secret set /);
    assert.match(home.must(["help", "exit-codes"]), /130/);
  });

  test("what is done already is no failure", () => {
    assert.match(home.must(["daemon", "start"]), /^Running already \(pid \d+\)\.$/m);
    assert.match(home.must(["init"]), /Already set up .*nothing was changed/);
    assert.match(
      home.must(["profile", "create", "default"]),
      /exists already; nothing was changed/,
    );
    assert.match(home.must(["profile", "activate", "default"]), /active already/);
    assert.match(home.must(["unlock"]), /unlocked already/);
  });

  test("what a prompt took is not shown; Ctrl-C ends with 130 and a terminal as it was", async () => {
    const at = { env: home.env, cwd: home.path };
    const stopped = await onTerminal([SESAME, "secret", "set", "kept"], at, [
      ["Value of kept: ", "never-shown\u0003"],
    ]);
    assert.equal(stopped.exit, 130);
    assert.match(stopped.shown, /stopped at the prompt/);
    assert.doesNotMatch(stopped.shown, /never-shown/);
    assert.deepEqual(stopped.echo, [false, true]);
    expectKept(home);

    const create = [SESAME, "profile", "create", "p"];
    const differing = await onTerminal(create, at, [
      ["New password for the vault of p: ", "one\r"],
      ["The same again: ", "two\r"],
    ]);
    assert.equal(differing.exit, 65);
    assert.match(differing.shown, /the two passwords differ/);
    assert.deepEqual(differing.echo, [false, false, true]);

    home.must(["lock"]);
    const unlock = await onTerminal([SESAME, "unlock"], at, [
      ["Password of profile default: ", `${PASSWORD}\r`],
    ]);
    assert.equal(unlock.exit, 0);
    assert.doesNotMatch(unlock.shown, new RegExp(PASSWORD));
  });
});

test("a locked vault is named with its remedy: exit 79", async () => {
  await using home = await homeWithSecret();
  home.must(["lock"]);
  const wanted = { exit: 79, said: /vault of profile default is locked/, hint: /sesame unlock/ };
  for (const args of [["secret", "get", "kept"], ["secret", "list"], ["export"], ["env", "true"]])
    expectFailure(home.run(args), wanted);
  expectFailure(home.run(["secret", "set", "kept"], "new"), wanted);
  home.must(["unlock"], `${PASSWORD}\n`);
  expectKept(home);
});

test("a wrong password is refused, then waits are enforced, across a restart", async () => {
  // SECURITY: who may guess without waiting, or restart the daemon instead of waiting, guesses fast.
  await using home = await homeWithSecret();
  home.must(["lock"]);
  const wrong = { exit: 77, said: /wrong password/ };
  const bus = await home.connect();
  expectFailure(home.run(["unlock"], "wrong\n"), wrong);
  // Over a connection that stands, since starting a command may outlast the first wait.
  const password = new TextEncoder().encode(PASSWORD);
  await assert.rejects(bus.call("vault.unlock", { profile: "default", password }), {
    code: "throttled",
  });
  await bus.close();
  for (let tries = 1; tries < 3;) {
    const { exit } = home.run(["unlock"], "wrong\n");
    if (exit === 77) tries++;
    else await delay(100);
  }
  home.must(["daemon", "stop"]);
  const restarted = home.run(["unlock"], `${PASSWORD}\n`);
  expectFailure(restarted, { exit: 75, said: /too many wrong tries/, hint: /wait \d+ s/ });
  const seconds = Number(/wait (\d+) s/.exec(restarted.err)?.[1]);
  assert.ok(seconds >= 1 && seconds <= 4);
  await delay(seconds * 1_000);
  home.must(["unlock"], `${PASSWORD}\n`);
  expectKept(home);
});

test("without daemon-secrets the bus answers at once that it is absent: exit 69", async (t) => {
  await using home = await homeWithSecret();
  home.must(["daemon", "stop"]);
  const bus = new DirectDaemon(home, "daemon-profile");
  t.after(() => bus.kill());
  await bus.start();
  const wanted = {
    exit: 69,
    said: /daemon that answers this is not connected/,
    hint: /daemon start/,
  };
  for (const args of [
    ["secret", "get", "kept"],
    ["env", "true"],
  ])
    expectFailure(home.run(args), wanted);
  assert.match(home.must(["status"]), /daemon-secrets is not connected/);
  await bus.stop();
  home.must(["unlock"], `${PASSWORD}\n`);
  expectKept(home);
});

describe("an installation in disorder", () => {
  let home: Home;
  let backup: string;

  before(async () => {
    home = await homeWithSecret();
    home.must(["daemon", "stop"]);
    backup = `${home.path}-backup`;
    cpSync(home.paths.config, backup, { recursive: true });
  });

  after(async () => {
    await home[Symbol.asyncDispose]();
    rmSync(backup, { recursive: true });
  });

  async function restore(): Promise<void> {
    await killAll(home);
    rmSync(home.paths.config, { recursive: true });
    rmSync(home.paths.runtime, { recursive: true, force: true });
    cpSync(backup, home.paths.config, { recursive: true });
    // It makes directories as the umask has it, and keys are not used out of an open one.
    for (const daemon of ["", ...DAEMONS]) chmodSync(join(home.paths.keys, daemon), 0o700);
  }

  function flip(path: string): void {
    const bytes = readFileSync(path);
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    writeFileSync(path, bytes);
  }

  type Disorder = Failure & { readonly damage: () => void; readonly only?: "root" };
  const key = (name: string): string => keyFileOf(home.paths, name);
  const get = ["secret", "get", "kept"];
  const unlock = { args: ["unlock"], input: `${PASSWORD}\n` };

  const disorders: readonly Disorder[] = [
    {
      what: "no installation",
      damage: () => rmSync(home.paths.installation),
      args: get,
      exit: 78,
      said: /not set up/,
      hint: /sesame init/,
    },
    {
      what: "an edited record of the installation",
      damage: () => flip(home.paths.installation),
      args: get,
      exit: 76,
      said: /installation\.toml/,
      hint: /backup/,
    },
    {
      what: "an empty record of the installation",
      damage: () => writeFileSync(home.paths.installation, ""),
      args: ["status"],
      exit: 76,
      said: /installation\.toml/,
      hint: /backup/,
    },
    ...["operator", "daemon-profile", "daemon-secrets"].flatMap((name): Disorder[] => [
      {
        what: `a damaged key file of ${name}`,
        damage: () => flip(key(name)),
        args: get,
        exit: 76,
        said: new RegExp(`${name}\\.key is damaged`),
        hint: /backup/,
      },
      {
        what: `a key file of ${name} that others may read`,
        damage: () => chmodSync(key(name), 0o644),
        args: get,
        exit: 78,
        said: new RegExp(`others may read .*${name}\\.key`),
        hint: /chmod 600/,
      },
    ]),
    ...["daemon-profile", "daemon-secrets"].flatMap((name): Disorder[] => [
      {
        what: `another installation's key file of ${name}`,
        damage: () => {
          rmSync(key(name));
          createKeyFile(suite, key(name));
        },
        args: get,
        exit: 76,
        said: /key file does not belong to this installation/,
        hint: /backup/,
      },
      {
        what: `no key file of ${name}`,
        damage: () => rmSync(key(name)),
        args: get,
        exit: 76,
        said: /key file (is missing|does not belong)/,
        hint: /backup/,
      },
    ]),
    {
      // SECURITY: whoever replaces the operator's keys must not get the operator's rights.
      what: "a key file of the operator that nobody enrolled",
      damage: () => {
        rmSync(key("operator"));
        createKeyFile(suite, key("operator"));
      },
      args: get,
      exit: 77,
      said: /not cleared/,
    },
    {
      what: "a damaged list of profiles",
      damage: () => flip(home.paths.profiles),
      args: get,
      exit: 76,
      said: /profiles\.json is damaged/,
      hint: /backup/,
    },
    {
      what: "a damaged vault header",
      damage: () => flip(join(home.paths.vaults, "default.vault")),
      ...unlock,
      exit: 76,
      said: /vault of profile default is damaged/,
      hint: /backup/,
    },
    {
      what: "a vault without its database",
      damage: () => rmSync(join(home.paths.vaults, "default.db")),
      ...unlock,
      exit: 76,
      said: /vault of profile default is damaged/,
    },
    {
      what: "a runtime directory that others may enter",
      damage: () => {
        mkdirSync(home.paths.runtime, { recursive: true });
        chmodSync(home.paths.runtime, 0o755);
      },
      args: get,
      exit: 78,
      said: /can be entered by other users/,
      hint: /chmod 700/,
    },
    {
      what: "a key directory that others may enter",
      damage: () => chmodSync(home.paths.keys, 0o755),
      args: ["init"],
      exit: 78,
      said: /can be entered by other users/,
      hint: /chmod 700/,
    },
    {
      what: "a file in the place of the socket",
      damage: () => {
        mkdirSync(home.paths.runtime, { mode: 0o700 });
        writeFileSync(home.paths.socket, "mine");
      },
      args: ["daemon", "start"],
      exit: 78,
      said: /in the way and is no socket/,
    },
  ];
  for (const disorder of disorders)
    test(`${disorder.what}: exit ${disorder.exit}, and nothing is lost`, async () => {
      disorder.damage();
      expectFailure(home.run(disorder.args, disorder.input), disorder);
      await restore();
    });

  test("the backup restores everything", () => {
    home.must(["unlock"], `${PASSWORD}\n`);
    expectKept(home);
    home.must(["daemon", "stop"]);
  });

  test("what a crash left in the runtime directory is no hindrance", async () => {
    home.must(["unlock"], `${PASSWORD}\n`);
    await killAll(home);
    assert.ok(lstatSync(home.paths.socket).isSocket());
    writeFileSync(home.paths.supervisorLock, "READY=1\nMAINPID=1\n");
    writeFileSync(home.paths.busLock, "1");
    home.must(["unlock"], `${PASSWORD}\n`);
    expectKept(home);
    home.must(["daemon", "stop"]);
  });

  test("nothing depends on the wall clock of an earlier run", async () => {
    home.must(["daemon", "stop"]);
    for (const year of [1_971, 2_099]) {
      const time = new Date(Date.UTC(year, 0));
      const paths = readdirSync(home.paths.config, { recursive: true, encoding: "utf8" });
      for (const path of paths) utimesSync(join(home.paths.config, path), time, time);
      home.must(["unlock"], `${PASSWORD}\n`);
      expectKept(home);
      assert.equal(home.run(["audit", "verify"]).exit, 0);
      home.must(["daemon", "stop"]);
    }
  });

  test("no private place for the socket: exit 78", { skip: hasLoginDirectory() }, () => {
    const missing = home.run(["status"], "", { XDG_RUNTIME_DIR: "" });
    expectFailure(missing, { exit: 78, said: /XDG_RUNTIME_DIR is not set/, hint: /export/ });
  });

  test("a path too long for a socket: exit 78", () => {
    const long = home.run(["status"], "", { XDG_RUNTIME_DIR: `/tmp/${"x".repeat(100)}` });
    expectFailure(long, { exit: 78, said: /longer than 107 bytes/, hint: /shorter/ });
  });

  // SECURITY: a socket that another user put there would see what is asked for.
  test(
    "another user's socket is not used: exit 77",
    { skip: isRoot ? false : "only root can give a file away" },
    async (t) => {
      await restore();
      mkdirSync(home.paths.runtime, { mode: 0o700 });
      let connections = 0;
      const server = createServer((socket) => {
        connections++;
        socket.destroy();
      });
      t.after(() => server.close());
      await new Promise<void>((resolve) => server.listen(home.paths.socket, resolve));
      chownSync(home.paths.socket, 4_242, 4_242);
      expectFailure(home.run(get), { exit: 77, said: /another user/, hint: /XDG_RUNTIME_DIR/ });
      assert.equal(connections, 0);
      await new Promise((resolve) => server.close(resolve));
      mkdirSync(home.paths.runtime, { recursive: true, mode: 0o700 });
      chownSync(home.paths.runtime, 4_242, 4_242);
      expectFailure(home.run(["daemon", "start"]), { exit: 78, said: /another user/ });
      await restore();
    },
  );
});

function hasLoginDirectory(): string | false {
  const path = `/run/user/${process.getuid?.() ?? 0}`;
  return existsSync(path) ? `${path} is there and would be used` : false;
}

// A limit on the size of files makes writes fail like a full disk; it binds root too.
test("a full disk during secret set: exit 74, and the old value stays", async () => {
  await using home = await homeWithSecret();
  const limit = (bytes: string): void => {
    const pid = `${home.pidOf("daemon-secrets")}`;
    assert.equal(spawnSync("prlimit", ["--pid", pid, `--fsize=${bytes}`]).status, 0);
  };
  const wal = join(home.paths.vaults, "default.db-wal");
  limit(`${statSync(wal).size + 100}:unlimited`);
  // Larger than a page of the database, smaller than the pages of key memory.
  const large = "x".repeat(3_000);
  const wanted = { exit: 74, said: /the disk refused the write/, hint: /nothing was lost/ };
  expectFailure(home.run(["secret", "set", "kept"], large), wanted);
  expectFailure(home.run(["secret", "set", "other"], large), wanted);
  expectKept(home);
  expectFailure(home.run(["secret", "get", "other"]), { exit: 66, said: /no secret other/ });
  limit("unlimited");
  home.must(["secret", "set", "other"], large);
  assert.equal(home.must(["secret", "get", "other"]), large);
  expectKept(home);
});

test("a file system that really is full: nothing is released, nothing is lost", async (t) => {
  await using home = new Home();
  const disk = join(home.path, ".config");
  mkdirSync(disk);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", disk]);
  if (mounted.status !== 0) return t.skip("no right to mount");
  try {
    home.must(["init"], `${PASSWORD}\n`);
    home.must(["secret", "set", "kept"], "value");
    spawnSync("dd", ["if=/dev/zero", `of=${disk}/filler`, "bs=4k"]);
    const refused = { exit: 74, said: /cannot be written|refused the write/, hint: /free space/ };
    let release = home.run(["secret", "get", "kept"]);
    // The last block of the log still takes a few entries.
    for (let n = 0; release.exit === 0 && n < 50; n++)
      release = home.run(["secret", "get", "kept"]);
    expectFailure(release, refused);
    expectFailure(home.run(["secret", "set", "kept"], "x".repeat(50_000)), refused);
    assert.match(home.must(["status"]), /NOT WRITABLE/);
    rmSync(`${disk}/filler`);
    expectKept(home);
    assert.match(home.must(["status"]), /audit log {2}writable/);
    assert.equal(home.run(["audit", "verify"]).exit, 0);
  } finally {
    await killAll(home);
    // Processes that were killed may take a moment to let go of it.
    spawnSync("umount", ["-l", disk]);
  }
});

test("a full runtime directory keeps nobody from locking", async (t) => {
  // SECURITY: any program of the user could fill it while the daemons start, and from then on no
  // command would reach them: not `lock`, not `panic`.
  await using home = new Home();
  const disk = join(home.path, "run");
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", disk]);
  if (mounted.status !== 0) return t.skip("no right to mount");
  try {
    home.must(["init"], `${PASSWORD}\n`);
    home.must(["daemon", "stop"]);
    spawnSync("dd", ["if=/dev/zero", `of=${disk}/filler`, "bs=4k"]);
    home.must(["unlock"], `${PASSWORD}\n`);
    for (const args of [["status"], ["lock"], ["panic"]]) {
      const { exit, err } = home.run(args);
      assert.equal(exit, 0, err);
    }
  } finally {
    await killAll(home);
    spawnSync("umount", ["-l", disk]);
  }
});

describe("an ordinary user", () => {
  test("has everything in a home of its own", async () => {
    await using home = new Home();
    const user = new OrdinaryUser(home);
    const must = (args: readonly string[], input = ""): string => {
      const { exit, out, err } = user.run(args, input);
      assert.equal(exit, 0, `${args.join(" ")}: ${err}`);
      return out;
    };
    try {
      must(["init"], `${PASSWORD}\n`);
      must(["secret", "set", "db/url"], "postgres://\n");
      assert.equal(must(["secret", "get", "db/url"]), "postgres://");
      assert.equal(
        must(["env", "--", "sh", "-c", 'printf "%s %s" "$DB_URL" "$(id -u)"']),
        `postgres:// ${user.uid}`,
      );
      must(["lock"]);
      assert.equal(user.run(["secret", "get", "db/url"]).exit, 79);
      must(["unlock"], `${PASSWORD}\n`);
      assert.equal(must(["secret", "get", "db/url"]), "postgres://");
      assert.match(must(["audit", "verify"]), /^OK$/m);
      assert.match(must(["status"]), /running/);
      const { config, runtime, state } = home.paths;
      for (const top of [config, runtime, state])
        for (const path of [".", ...readdirSync(top, { recursive: true, encoding: "utf8" })]) {
          const { uid, mode } = lstatSync(join(top, path));
          assert.equal(uid, user.uid);
          assert.equal(mode & 0o077, 0, `${path}: mode ${mode.toString(8)}`);
        }
      must(["daemon", "stop"]);
      assert.match(must(["status"]), /not running/);
    } finally {
      await killAll(home);
    }
  });

  test("is told that its home is read-only: exit 74", async () => {
    await using home = new Home();
    const user = new OrdinaryUser(home);
    chmodSync(home.path, 0o555);
    const wanted = { exit: 74, said: /no permission for .*\.config/, hint: /owner and mode/ };
    expectFailure(user.run(["init"], `${PASSWORD}\n`), wanted);
    chmodSync(home.path, 0o755);
  });

  test("without a runtime directory is told to make one: exit 78", async () => {
    await using home = new Home();
    const user = new OrdinaryUser(home);
    const { exit, err } = user.run(["init"], `${PASSWORD}\n`, { XDG_RUNTIME_DIR: "" });
    if (existsSync(`/run/user/${user.uid}`)) return;
    assert.equal(exit, 78);
    assert.match(err, /XDG_RUNTIME_DIR is not set/);
  });

  // SECURITY: another user's daemons must not serve, even where permissions were opened by mistake.
  test(
    "gets nothing from another user's bus",
    { skip: isRoot ? false : "takes two users" },
    async () => {
      await using home = await homeWithSecret();
      await using other = new Home();
      const user = new OrdinaryUser(other);
      assert.equal(user.run(["init"], `${PASSWORD}\n`).exit, 0);
      try {
        const env = { XDG_RUNTIME_DIR: home.env["XDG_RUNTIME_DIR"] ?? "" };
        const get = ["secret", "get", "kept"];
        const denied = { exit: 77, said: /no permission for the bus socket/ };
        expectFailure(user.run(get, "", env), denied);
        for (const path of [env.XDG_RUNTIME_DIR, home.paths.runtime, home.paths.socket])
          chmodSync(path, 0o777);
        const { exit } = user.run(get, "", env);
        expectFailure(user.run(get, "", env), { exit, said: /./ });
        assert.ok([69, 74, 76, 77, 78].includes(exit));
      } finally {
        await killAll(other);
      }
    },
  );
});
