import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import dotenv from "dotenv";
import { Home, PASSWORD, SESAME } from "../helpers/home.ts";
import { processesOf, procFile } from "../helpers/processes.ts";
import { Random, SEED } from "../helpers/random.ts";
import { onTerminal } from "../helpers/terminal.ts";

const utf8 = new TextEncoder();

/** What env(1) -0 prints. */
function parseEnvironment(bytes: Buffer): Record<string, string> {
  const entries = bytes.toString("utf8").split("\0").slice(0, -1);
  return Object.fromEntries(entries.map((entry) => entry.split(/=(.*)/s).slice(0, 2)));
}

describe("sesame env", () => {
  let home: Home;
  let marker: string;

  before(async () => {
    home = await Home.ready();
    // As every shell has it; the shell that finds our Node would add it.
    home.env["PWD"] = home.path;
    marker = join(home.path, "marker");
    home.must(["secret", "set", "db/main-url"], "postgres://u:p@h/d?x=1&y=ä");
    home.must(["secret", "set", "api.key"], "two\nlines");
    home.must(["secret", "set", "empty"], "");
  });

  after(async () => {
    await home[Symbol.asyncDispose]();
  });

  afterEach(() => rmSync(marker, { force: true }));

  /** As home.run, with bytes and the whole environment given. */
  function run(args: readonly string[], env: Record<string, string> = home.env) {
    return spawnSync(SESAME, args, { env, cwd: home.path });
  }

  async function withSecrets(
    secrets: Readonly<Record<string, Uint8Array>>,
    use: () => void,
    profile = "default",
  ): Promise<void> {
    const bus = await home.connect();
    try {
      for (const [name, value] of Object.entries(secrets))
        await bus.call("secret.set", { profile, name, value });
      use();
    } finally {
      for (const name of Object.keys(secrets)) await bus.call("secret.delete", { profile, name });
      await bus.close();
    }
  }

  /** The command must not have been started. */
  function expectRefused(args: readonly string[], exit: number, said: RegExp): void {
    const result = run(["env", ...args, "--", "touch", marker]);
    assert.equal(result.status, exit, String(result.stderr));
    assert.match(String(result.stderr), said);
    assert.equal(existsSync(marker), false);
  }

  const SECRETS = {
    DB_MAIN_URL: "postgres://u:p@h/d?x=1&y=ä",
    API_KEY: "two\nlines",
    EMPTY: "",
  };

  test("the child has its parent's environment, the secrets and SESAME_PROFILES", () => {
    const parent = { ...home.env, NOTHING: "", LINES_: "a\nb", equals_: "=x=", API_KEY: "old" };
    const { stdout, stderr, status } = run(["env", "--", "/usr/bin/env", "-0"], parent);
    assert.equal(status, 0, String(stderr));
    assert.deepEqual(parseEnvironment(stdout), {
      ...parent,
      ...SECRETS,
      SESAME_PROFILES: "default",
    });
    assert.equal(String(stderr), "");
  });

  test("--prefix stands in front of every variable", () => {
    const { stdout } = run(["env", "--prefix", "app", "--", "/usr/bin/env", "-0"]);
    assert.deepEqual(parseEnvironment(stdout), {
      ...home.env,
      app_DB_MAIN_URL: SECRETS.DB_MAIN_URL,
      app_API_KEY: SECRETS.API_KEY,
      app_EMPTY: "",
      SESAME_PROFILES: "default",
    });
  });

  test("of two profiles the one further left wins", async () => {
    home.must(["profile", "create", "work"], "another\n");
    const work = { "api/key": utf8.encode("of work"), only: utf8.encode("here") };
    await withSecrets(
      work,
      () => {
        const { stdout, stderr } = run(["env", "-p", "work,default", "--", "/usr/bin/env", "-0"]);
        assert.deepEqual(parseEnvironment(stdout), {
          ...home.env,
          ...SECRETS,
          API_KEY: "of work",
          ONLY: "here",
          SESAME_PROFILES: "work,default",
        });
        assert.equal(
          String(stderr),
          "sesame: API_KEY comes from work; default's api.key is left out\n",
        );
        const named = run(["env", "--", "sh", "-c", 'printf %s "$API_KEY"'], {
          ...home.env,
          SESAME_PROFILES: "default,work",
        });
        assert.equal(String(named.stdout), SECRETS.API_KEY);
      },
      "work",
    );
  });

  // SECURITY: a secret called ld/preload would run its writer's code in every command.
  test("a name on the denylist is refused by name, and nothing runs", async () => {
    for (const name of ["ld/preload", "PATH", "node-options", "sesame/profiles", "Bash.Env"])
      await withSecrets({ [name]: utf8.encode("x") }, () => {
        expectRefused([], 65, new RegExp(`secret .?${name}.? may not set`));
        if (name !== "sesame/profiles")
          assert.equal(run(["env", "--prefix", "a", "true"]).status, 0);
      });
  });

  test("values that no variable can hold are refused by name, and nothing runs", async () => {
    for (const value of [Uint8Array.of(97, 0, 98), Uint8Array.of(0xff, 0xfe), utf8.encode("\0")])
      await withSecrets({ "bin/ary": value }, () => expectRefused([], 65, /bin\/ary.*UTF-8/));
    await withSecrets({ long: utf8.encode("x".repeat(131_072)) }, () =>
      expectRefused([], 65, /LONG is too long/),
    );
    await withSecrets({ "1st": utf8.encode("x") }, () => expectRefused([], 65, /1st/));
    await withSecrets({ "api-key": utf8.encode("x") }, () =>
      expectRefused([], 65, /both be API_KEY/),
    );
  });

  test("nothing runs without the vault or the profile", () => {
    expectRefused(["-p", "nowhere"], 66, /nowhere/);
    expectRefused(["-p", "no/name"], 65, /does not name a profile/);
    home.must(["lock"]);
    expectRefused([], 79, /the vault of profile default is locked[^]*hint: .*unlock/);
    home.must(["unlock"], `${PASSWORD}\n`);
    home.must(["profile", "deactivate", "default"]);
    expectRefused([], 77, /default is not active/);
    home.must(["profile", "activate", "default"]);
  });

  test("500 secrets reach one command, with one call", async () => {
    const names = Array.from({ length: 500 }, (_, i) => `many/n${i}`);
    const secrets = Object.fromEntries(names.map((name) => [name, utf8.encode(`v-${name}`)]));
    await withSecrets(secrets, () => {
      const { stdout, status } = run(["env", "--", "/usr/bin/env", "-0"]);
      assert.equal(status, 0);
      const found = parseEnvironment(stdout);
      for (const name of names)
        assert.equal(found[name.replace("/", "_").toUpperCase()], `v-${name}`);
    });
  });

  test("the command is the same process", async () => {
    const child = spawn(SESAME, ["env", "--", "sh", "-c", "echo $$"], {
      env: home.env,
      cwd: home.path,
    });
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    assert.equal(Number(line), child.pid);
  });

  test("exit codes are the command's own, and 126 and 127 as shells have them", () => {
    for (const code of [0, 1, 66, 79, 255])
      assert.equal(run(["env", "--", "sh", "-c", `exit ${code}`]).status, code);
    const missing = run(["env", "--", "no-such-command"]);
    assert.equal(missing.status, 127);
    assert.match(String(missing.stderr), /no-such-command: command not found/);
    const odd = { ...home.env, PATH: `/dev/null:${home.path}:${home.env["PATH"]}` };
    assert.equal(run(["env", "--", "true"], odd).status, 0);
    const file = join(home.path, "plain");
    writeFileSync(file, "exit 9\n");
    assert.equal(run(["env", "--", file]).status, 126);
    assert.equal(run(["env", "--", home.path]).status, 126);
    chmodSync(file, 0o755);
    assert.equal(run(["env", "--", file]).status, 9);
    assert.equal(run(["env"]).status, 64);
  });

  test("signals reach the command, and SIGPIPE ends it", async (t) => {
    const child = spawn(SESAME, ["env", "--", "sh", "-c", "echo up; exec sleep 1000"], {
      env: home.env,
    });
    t.after(() => child.kill());
    await once(child.stdout, "data");
    const gone = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await gone, [null, "SIGTERM"]);

    const script = `"${SESAME}" env -- yes | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const { stdout } = spawnSync("bash", ["-c", script], { env: home.env });
    assert.equal(String(stdout), "y\n141\n");
    const term = `"${SESAME}" env -- sh -c 'kill -TERM $$'; echo $?`;
    assert.equal(String(spawnSync("sh", ["-c", term], { env: home.env }).stdout), "143\n");
  });

  test("the command has the terminal: it sees one, and Ctrl-C is its own", async () => {
    const script =
      "trap 'echo caught; exit 7' INT; test -t 0 && test -t 1 && test -t 2 && echo terminal; " +
      "echo pid $$; while :; do sleep 0.02; done";
    const session = await onTerminal(
      [SESAME, "env", "--", "sh", "-c", script],
      { env: home.env, cwd: home.path },
      [
        ["terminal", ""],
        ["pid ", "\u0003"],
      ],
    );
    assert.match(session.shown, new RegExp(`pid ${session.pid}\\r\\n`));
    assert.match(session.shown, /caught/);
    assert.equal(session.exit, 7);
    assert.deepEqual(session.echo, [true, true, true]);
  });
});

describe("values through pipes and files", () => {
  let home: Home;

  before(async () => {
    home = await Home.ready();
  });

  after(async () => {
    await home[Symbol.asyncDispose]();
  });

  function piped(args: readonly string[], input: Uint8Array = new Uint8Array()): Buffer {
    const { status, stdout, stderr } = spawnSync(SESAME, args, {
      env: home.env,
      input,
      maxBuffer: 1 << 24,
    });
    assert.equal(status, 0, String(stderr));
    return stdout;
  }

  test(`secret get gives back any bytes (SEED=${SEED})`, () => {
    const random = new Random(SEED);
    for (const length of [0, 1, 4_096, 1_048_576 - 1]) {
      const value = Buffer.from([...random.bytes(length), 0]);
      piped(["secret", "set", "bytes"], value);
      assert.ok(piped(["secret", "get", "bytes"]).equals(value), `${length} bytes`);
    }
  });

  test("secret set takes off exactly one line end", () => {
    for (const [given, stored] of [
      ["a\n", "a"],
      ["a\r\n", "a"],
      ["a\n\n", "a\n"],
      ["\n", ""],
      ["a\nb", "a\nb"],
      [" a \n", " a "],
      ["", ""],
    ] as const) {
      piped(["secret", "set", "line"], utf8.encode(given));
      assert.equal(String(piped(["secret", "get", "line"])), stored, JSON.stringify(given));
    }
  });

  test("export gives sh, bash and dotenv the same bytes", async () => {
    const values: Record<string, string> = {
      plain: "value",
      empty: "",
      quotes: `a'b"c\`d`,
      dollar: "$HOME ${HOME} $(id) !!",
      backslash: "\\ \\n \\\\",
      multi: "a\nb\n\n",
      blanks: "  a\tb  ",
      comment: "a #b",
      equals: "a=b=c",
      unicode: "ä€😀\u{feff}",
      hidden: "\u0001\u001b[31m\u007f",
    };
    const bus = await home.connect();
    for (const { name } of (await bus.call("secret.list", { profile: "default" })).secrets)
      await bus.call("secret.delete", { profile: "default", name });
    for (const [name, text] of Object.entries(values))
      await bus.call("secret.set", { profile: "default", name, value: utf8.encode(text) });
    const wanted = Object.fromEntries(
      Object.entries(values).map(([name, text]) => [name.toUpperCase(), text]),
    );

    const names = Object.keys(wanted);
    const print = names.map((name) => `"$${name}"`).join(" ");
    for (const shell of ["sh", "bash"]) {
      const script = `set -u; eval "$("${SESAME}" export)"; printf '%s\\0' ${print}; env -0`;
      const { stdout, stderr } = spawnSync(shell, ["-c", script], { env: home.env });
      const parts = stdout.toString("utf8").split("\0");
      assert.deepEqual(parts.slice(0, names.length), Object.values(wanted), String(stderr));
      // They are exported too, not only set.
      const exported = Object.fromEntries(
        parts.slice(names.length, -1).map((entry) => entry.split(/=(.*)/s).slice(0, 2)),
      ) as Record<string, string>;
      for (const name of names) assert.equal(exported[name], wanted[name]);
    }
    assert.deepEqual(JSON.parse(String(piped(["export", "-f", "json"]))), wanted);

    // Its format knows no way to write some values; they are refused, not changed.
    const refused = home.run(["export", "-f", "dotenv"]);
    if (refused.exit !== 0) {
      assert.equal(refused.exit, 65);
      assert.equal(refused.out, "");
      const name = Object.keys(values).find((one) => refused.err.includes(one.toUpperCase()));
      assert.ok(name !== undefined, refused.err);
      await bus.call("secret.delete", { profile: "default", name });
      delete wanted[name.toUpperCase()];
    }
    const file = piped(["export", "-f", "dotenv"]);
    assert.deepEqual(dotenv.parse(file), wanted);
    await bus.close();
  });

  // SECURITY: command lines and environments of processes are read by anybody of this user, and
  // command lines by everybody.
  test("no value and no password is on a command line or in an environment", async () => {
    const value = "value-9c1f0e";
    const scan = (text: string): void => {
      const pids = processesOf(home);
      assert.ok(pids.length > 0);
      for (const pid of pids)
        for (const name of ["cmdline", "environ"] as const)
          assert.equal(procFile(pid, name).includes(text), false, `${name} of ${pid}`);
    };
    const setting = home.start(["secret", "set", "shown"]);
    setting.stdin?.write(value);
    scan(value);
    setting.stdin?.end();
    assert.deepEqual(await once(setting, "exit"), [0, null]);
    home.must(["lock"]);
    const unlocking = home.start(["unlock"]);
    unlocking.stdin?.write(`${PASSWORD}\n`);
    const unlocked = once(unlocking, "exit");
    while (unlocking.exitCode === null) {
      scan(PASSWORD);
      await delay(1);
    }
    assert.deepEqual(await unlocked, [0, null]);
    scan(value);
    const files = readdirSync(home.path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    for (const text of [value, PASSWORD])
      for (const file of files) assert.equal(readFileSync(file).includes(text), false, file);
  });

  // SECURITY: daemons live long; secrets of the shell that started them would lie there.
  test("the daemons do not inherit the environment of who starts them", () => {
    home.must(["daemon", "stop"]);
    assert.equal(home.run(["daemon", "start"], "", { TOKEN: "t-77aa", LD_DEBUG: "" }).exit, 0);
    for (const pid of processesOf(home))
      assert.equal(procFile(pid, "environ").includes("t-77aa"), false);
  });
});
