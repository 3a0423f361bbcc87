import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { eventually } from "../helpers/eventually.ts";
import { PASSWORD, type Ran } from "../helpers/home.ts";
import { Machine, type As } from "../helpers/machine.ts";

// The daemons of two users, each run by the system under a user of their own.

/** Another user of this machine, with programs in the same home directory as its own. */
type User = { readonly name: string; readonly uid: number; readonly home: string };

const ANN: User = { name: "user", uid: 4242, home: "/home/user" };
const BEN: User = { name: "ben", uid: 4545, home: "/home/ben" };
const STRANGER = 4646;
const SERVICES = ["sesame-profile", "sesame-secrets"] as const;
type Service = (typeof SERVICES)[number];

const booted = await Machine.boot(ANN.uid);
const skip = typeof booted === "string" ? booted : false;
after(async () => {
  if (typeof booted !== "string") await booted.stop();
});

test("systemd boots where it has to", { skip: process.env["CI"] !== "true" && skip }, () => {
  assert.equal(skip, false);
});

function machine(): Machine {
  if (typeof booted === "string") throw new Error(booted);
  return booted;
}

type Signals = { readonly score: number; readonly confidence: number };

const asUser = ({ uid, home }: User): As => ({ uid, env: { HOME: home } });

function sesame(user: User, args: readonly string[], input = ""): Promise<Ran> {
  return machine().run(["sesame", ...args], { ...asUser(user), input });
}

async function must(user: User, args: readonly string[], input = ""): Promise<string> {
  const { exit, out, err } = await sesame(user, args, input);
  assert.equal(exit, 0, `sesame ${args.join(" ")}: ${out}${err}`);
  return out;
}

async function json(user: User, args: readonly string[], input = ""): Promise<unknown> {
  return JSON.parse(await must(user, [...args, "--json"], input)) as unknown;
}

const asRoot = (args: readonly string[]): Promise<Ran> => machine().run(["sesame", ...args]);
const install = ({ name }: User): string[] => ["daemon", "install", "--system", "--user", name];
const uninstall = ({ name }: User): string[] => ["daemon", "uninstall", "--system", "--user", name];
const unitOf = (user: User, service: Service): string => `${service}@${user.uid}.service`;
const folderOf = ({ uid }: User): string => `/var/lib/sesame/${uid}`;
const socketOf = ({ uid }: User): string => `/run/sesame/${uid}/bus.sock`;

async function show(unit: string, property: string): Promise<string> {
  return machine().must(["systemctl", "show", `--property=${property}`, "--value", unit]);
}

async function pidOf(user: User, service: Service): Promise<number> {
  const pid = Number(await show(unitOf(user, service), "MainPID"));
  assert.ok(pid > 1, `${service} does not run`);
  return pid;
}

async function suiteUid(user: User): Promise<number> {
  return Number(await machine().must(["id", "-u", `sesame-${user.uid}`]));
}

const isConnected = async (user: User): Promise<boolean> =>
  ((await json(user, ["status"])) as { secretsConnected: boolean }).secretsConnected;

/** What a process of a user gets that connects to a socket without speaking. */
async function greeting(socket: string, as: As): Promise<string> {
  const script = `
    const socket = require("node:net").connect(process.argv[1]);
    socket.once("data", () => { console.log("greeted"); socket.destroy(); });
    socket.once("end", () => console.log("turned away"));
    socket.once("error", ({ code }) => console.log(code));
  `;
  return machine().must(["node", "-e", script, socket], as);
}

describe("sesame daemon install --system", { skip }, () => {
  test("it is root's, for an ordinary user that there is", async () => {
    const { home } = BEN;
    await machine().must(["sh", "-c", `echo 'ben:x:4545:4545::${home}:/bin/sh' >>/etc/passwd`]);
    await machine().must(["install", "-d", "-m", "0700", "-o", "4545", "-g", "4545", home]);
    assert.equal((await sesame(ANN, install(ANN))).exit, 77);
    for (const [args, exit] of [
      [["daemon", "install", "--system"], 64],
      [["daemon", "install", "--user", "user"], 64],
      [["daemon", "install", "--system", "--user", "root"], 64],
      [["daemon", "install", "--system", "--user", "nobody-at-all"], 66],
    ] as const)
      assert.equal((await asRoot(args)).exit, exit, args.join(" "));
    assert.equal((await machine().run(["ls", "/etc/sesame"])).exit, 2);
  });

  test("what a user has set up before is not touched", async () => {
    const record = `${BEN.home}/.config/pds/installation/installation.toml`;
    await machine().must(["sh", "-c", `mkdir -p "$(dirname ${record})"; touch ${record}`]);
    const { exit, err } = await asRoot(install(BEN));
    assert.equal(exit, 73);
    assert.match(err, /has an installation already/);
    await machine().must(["rm", "-r", `${BEN.home}/.config`]);
  });

  test("it says what comes next, and done again it changes nothing", async () => {
    const first = await asRoot(install(ANN));
    assert.equal(first.exit, 0, first.err);
    assert.match(first.out, /start once user has run `sesame init`/);
    const second = await asRoot([...install(ANN), "--json"]);
    assert.equal((JSON.parse(second.out) as { changed: boolean }).changed, false);
    assert.equal((await sesame(ANN, ["status"])).exit, 78);
    assert.equal((await machine().run(["test", "-e", socketOf(ANN)])).exit, 1);
  });

  test("the main job runs as the user, and the daemons as another", async () => {
    const done = await must(ANN, ["init"], `${PASSWORD}\n`);
    assert.match(done, /is ready/);
    assert.match(await must(ANN, ["init"]), /nothing was changed/);
    await must(ANN, ["secret", "set", "api-token"], "t0ken");
    assert.equal(await must(ANN, ["env", "--", "sh", "-c", 'echo "$API_TOKEN"']), "t0ken\n");
    const own = await suiteUid(ANN);
    for (const service of SERVICES) {
      const status = await machine().must(["cat", `/proc/${await pidOf(ANN, service)}/status`]);
      assert.match(status, new RegExp(`^Uid:\\s+${own}\\s+${own}\\s+${own}\\s+${own}$`, "m"));
    }
  });

  // SECURITY: keys that the user could write would be keys that any program of the user can read.
  test("[KEYS-19] root has new keys of the daemons made, and the user signs them", async () => {
    const rotate = ["key", "rotate"];
    const early = await sesame(ANN, rotate, `${PASSWORD}\n`);
    assert.equal(early.exit, 78, early.err);
    assert.match(early.err, /--new-keys/);
    const said = (): Promise<string> => machine().must(["cat", `/etc/sesame/${ANN.uid}.toml`]);
    const before = await said();
    for (const args of [["--new-keys"], ["--new-keys"], []])
      assert.equal((await asRoot([...install(ANN), ...args])).exit, 0);
    const made = await said();
    assert.notEqual(made, before);
    await must(ANN, rotate, `${PASSWORD}\n`);
    assert.equal(await must(ANN, ["secret", "get", "api-token"]), "t0ken");
    await asRoot(install(ANN));
    assert.equal(await said(), made);
    const { writers } = (await json(ANN, ["audit", "verify"])) as { writers: unknown[] };
    assert.equal(writers.length, 2);
    const folder = `${folderOf(ANN)}/suite/keys/daemon-secrets`;
    const files = await machine().must(["ls", folder]);
    assert.equal(files.split("\n").length, 2, files);
    for (const service of SERVICES)
      await machine().must(["systemctl", "restart", unitOf(ANN, service)]);
    await eventually("the vaults are on the bus", () => isConnected(ANN));
    await must(ANN, ["unlock"], `${PASSWORD}\n`);
    assert.equal(await must(ANN, ["secret", "get", "api-token"]), "t0ken");
  });

  test("locking, agents, the audit log and the doctor work as they do elsewhere", async () => {
    await must(ANN, ["lock"]);
    assert.equal((await sesame(ANN, ["secret", "get", "api-token"])).exit, 79);
    await must(ANN, ["unlock"], `${PASSWORD}\n`);
    await must(ANN, ["agent", "enroll", "--name", "ci", "--kind", "ai"]);
    await must(ANN, ["agent", "approve", "ci"], `${PASSWORD}\n`);
    const list = await machine().must(["sesame", "--as", "ci", "secret", "list"], asUser(ANN));
    assert.match(list, /api-token/);
    assert.match(await must(ANN, ["audit", "tail", "-n", "5"]), /ci pid \d+ .*secret\.list/);
    assert.match(await must(ANN, ["audit", "verify"]), /^anchor at entry \d+: matches$[^]*OK\n$/m);
    assert.match(await must(ANN, ["audit", "export"]), /"payload"/);
    const { exit, out } = await sesame(ANN, ["doctor", "--json"]);
    const { checks } = JSON.parse(out) as { checks: { name: string; verdict: string }[] };
    const bad = checks.filter(({ verdict }) => verdict === "failed" || verdict === "unknown");
    assert.deepEqual(bad, []);
    assert.equal(exit, 0);
    assert.ok(checks.some(({ name }) => name === "suite's folder"));
  });

  test("[ENROL-22] [ENROL-32] agents come in by a token, and give themselves new keys", async () => {
    const token = `${ANN.home}/token`;
    const create = ["agent", "token", "create", "--name", "tok-*", "--out", token];
    await must(ANN, create, `${PASSWORD}\n`);
    await must(ANN, ["agent", "enroll", "--name", "tok-1", "--token-file", token]);
    assert.match(await must(ANN, ["--as", "tok-1", "agent", "status"]), /registered/);
    await must(ANN, ["--as", "tok-1", "agent", "rotate"]);
    assert.match(await must(ANN, ["--as", "tok-1", "agent", "status"]), /registered/);
    const spent = await sesame(ANN, ["agent", "enroll", "--name", "tok-2", "--token-file", token]);
    assert.equal(spent.exit, 77, spent.err);
    await must(ANN, ["agent", "revoke", "tok-1"], `${PASSWORD}\n`);
    assert.match(await must(ANN, ["--as", "tok-1", "agent", "status"]), /unknown/);
  });

  test("score and alerts come from a log that the user cannot read", async () => {
    const { score, confidence } = (await json(ANN, ["trust", "show", "ci"])) as Signals;
    assert.ok(score > 0 && confidence > 0);
    const script = `
      umask 077
      printf '#!/bin/sh\\ncat >> "$HOME/alerted"\\n' > "$HOME/hook"
      chmod 700 "$HOME/hook"
      printf '{"command":["%s/hook"],"actions":["secret.list"]}' "$HOME" > "$HOME/alerts.json"
      sesame alerts run --config "$HOME/alerts.json" &
      until [ -s "$HOME/.local/state/pds/alerts.json" ]; do sleep 0.1; done
      sesame --as ci secret list
      until grep -q secret.list "$HOME/alerted"; do sleep 0.1; done
      kill $!
      wait
      cat "$HOME/alerted"
    `;
    const told = await machine().must(["timeout", "60", "sh", "-c", script], asUser(ANN));
    assert.match(told, /"who":"ci","what":"secret\.list default/);
  });

  test("who it is that connects is on record, with its unit", async () => {
    const { pid } = (await json(ANN, ["status"])) as { pid: number };
    assert.equal(pid, await pidOf(ANN, "sesame-profile"));
    const job = `[Service]
Type=oneshot
User=${ANN.uid}
Environment=HOME=${ANN.home}
ExecStart=/opt/sesame/packages/cli/bin/sesame secret get api-token
`;
    const write = ["sh", "-c", "cat >/etc/systemd/system/job.service; systemctl daemon-reload"];
    await machine().must(write, { input: job });
    await machine().must(["systemctl", "start", "job.service"]);
    const tail = await must(ANN, ["audit", "tail", "-n", "3", "--json"]);
    const [entry] = tail.split("\n").filter((line) => line.includes('"secret.get"'));
    const { actor } = JSON.parse(entry ?? "{}") as { actor: { uid: number; unit: string } };
    assert.equal(actor.uid, ANN.uid);
    assert.equal(actor.unit, "job.service");
  });

  test("the daemons are the system's to stop", async () => {
    for (const args of [["stop"], ["run"], ["install"], ["uninstall"]]) {
      const { exit, err } = await sesame(ANN, ["daemon", ...args]);
      assert.equal(exit, 77, args.join(" "));
      assert.match(err, /systemctl stop sesame-headless@4242\.target/);
    }
    assert.match(await must(ANN, ["daemon", "start"]), /Running already/);
  });
});

describe("what keeps others out", { skip }, () => {
  // SECURITY: any program of the user would have the keys, the vaults and the log.
  test("another program of the user reads no file of the daemons", async () => {
    const found = await machine().must(["find", `${folderOf(ANN)}/suite`, "-type", "f"]);
    const files = found.split("\n");
    for (const part of [
      "keys/daemon-secrets/daemon-secrets.key",
      "vaults/default.db",
      "audit/000001.jsonl",
    ])
      assert.ok(
        files.some((path) => path.endsWith(part)),
        part,
      );
    for (const path of [`${folderOf(ANN)}/suite`, ...files]) {
      const { exit, err } = await machine().run(["ls", path], asUser(ANN));
      assert.notEqual(exit, 0, path);
      assert.match(err, /Permission denied/, path);
    }
    for (const change of [
      ["rm", "-rf", `${folderOf(ANN)}/suite`],
      ["mv", `${folderOf(ANN)}/record`, `${folderOf(ANN)}/other`],
      ["rm", socketOf(ANN)],
      ["touch", "/etc/sesame/4242.toml"],
    ])
      assert.notEqual((await machine().run(change, asUser(ANN))).exit, 0, change.join(" "));
    assert.equal(await must(ANN, ["secret", "get", "api-token"]), "t0ken");
  });

  // SECURITY: a debugger of the user would read every secret from the memory of the daemons.
  test("another program of the user neither traces the daemons nor reads their memory", async () => {
    const script = `
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])
def opened(name):
    try: os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY)); return "ok"
    except OSError as cause: return errno.errorcode[cause.errno]
def called(number, *args):
    if libc.syscall(ctypes.c_long(number), *map(ctypes.c_void_p, args)) >= 0: return "ok"
    return errno.errorcode[ctypes.get_errno()]
def killed():
    try: os.kill(pid, 0); return "ok"
    except OSError as cause: return errno.errorcode[cause.errno]
arm = os.uname().machine == "aarch64"
buffer = ctypes.create_string_buffer(16)
class iovec(ctypes.Structure): _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
here = iovec(ctypes.addressof(buffer), 16)
print(*[opened(name) for name in ("mem", "environ", "maps", "auxv", "fd")],
  called(117 if arm else 101, 16, pid, 0, 0), called(117 if arm else 101, 0x4206, pid, 0, 0),
  called(270 if arm else 310, pid, ctypes.addressof(here), 1, ctypes.addressof(here), 1, 0),
  killed())
`;
    for (const service of SERVICES) {
      const probe = ["python3", "-c", script, String(await pidOf(ANN, service))];
      const refused = "EACCES EACCES EACCES EACCES EACCES EPERM EPERM EPERM EPERM";
      assert.equal(await machine().must(probe, asUser(ANN)), refused);
    }
    // What the probe can do to a process of its own user.
    const own = ["sh", "-c", 'sleep 60 >/dev/null 2>&1 & python3 -c "$0" $!; kill -9 $!', script];
    assert.match(await machine().must(own, asUser(ANN)), /^ok ok ok ok ok ok /);
  });

  // SECURITY: another user would talk to the bus as if it were this one.
  test("[TRANSPORT-3] other users do not get to the bus, even where the socket lets them", async () => {
    const socket = socketOf(ANN);
    assert.equal(await greeting(socket, asUser(ANN)), "greeted");
    assert.equal(await greeting(socket, { uid: STRANGER }), "EACCES");
    assert.equal(await greeting(socket, { uid: 0 }), "turned away");
    // Its owner can open it to everybody.
    await machine().must(["chmod", "0666", socket], asUser(ANN));
    assert.equal(await greeting(socket, { uid: STRANGER }), "turned away");
    await machine().must(["chmod", "0660", socket], asUser(ANN));
  });

  test("two users have daemons side by side, out of each other's reach", async () => {
    const installed = await asRoot(install(BEN));
    assert.equal(installed.exit, 0, installed.err);
    await must(BEN, ["init"], "another horse\n");
    await must(BEN, ["secret", "set", "api-token"], "bens");
    assert.equal(await must(BEN, ["secret", "get", "api-token"]), "bens");
    assert.equal(await must(ANN, ["secret", "get", "api-token"]), "t0ken");
    const [ann, ben] = [await suiteUid(ANN), await suiteUid(BEN)];
    assert.notEqual(ann, ben);
    for (const [one, other, suite] of [
      [ANN, BEN, ann],
      [BEN, ANN, ben],
    ] as const)
      for (const uid of [one.uid, suite]) {
        assert.equal(await greeting(socketOf(other), { uid }), "EACCES");
        for (const folder of ["suite", "record"]) {
          const { err } = await machine().run(["ls", `${folderOf(other)}/${folder}`], { uid });
          assert.match(err, /Permission denied/);
        }
      }
  });

  // SECURITY: a program of the user would name itself the operator, under a root key of its own.
  test("[ENROL-13] a record of another root key is refused, whoever wrote it", async () => {
    const record = `${folderOf(ANN)}/record/installation.toml`;
    await machine().must(["cp", "-p", record, "/tmp/kept.toml"]);
    await machine().must(["cp", `${folderOf(BEN)}/record/installation.toml`, record]);
    const restart = ["systemctl", "restart", unitOf(ANN, "sesame-profile")];
    assert.notEqual((await machine().run(restart)).exit, 0);
    await eventually("it says why", async () => {
      await machine().must(["journalctl", "--sync"]);
      const match = ["-o", "cat", `_SYSTEMD_UNIT=${unitOf(ANN, "sesame-profile")}`];
      const said = await machine().must(["journalctl", ...match]);
      return said.includes("it is another installation's");
    });
    await machine().must(["cp", "-p", "/tmp/kept.toml", record]);
    assert.equal((await asRoot(install(ANN))).exit, 0, "what the hint of a command says");
    await eventually("the vaults are on the bus", () => isConnected(ANN));
  });

  test("[TRANSPORT-6] with another home a user is on their own", async () => {
    const env = { HOME: "/tmp", XDG_RUNTIME_DIR: "/tmp" };
    const { exit, err } = await machine().run(["sesame", "status"], { uid: ANN.uid, env });
    assert.equal(exit, 78);
    assert.match(err, /not set up/);
  });
});

describe("crashes, stops and uninstalling", { skip }, () => {
  test("daemons that are killed are there again", async () => {
    for (const service of SERVICES) {
      const before = await pidOf(ANN, service);
      await machine().must(["kill", "-9", String(before)]);
      await eventually(`${service} runs again`, async () => {
        const pid = Number(await show(unitOf(ANN, service), "MainPID"));
        return pid > 1 && pid !== before;
      });
    }
    await eventually("the vaults are on the bus", () => isConnected(ANN));
    await must(ANN, ["unlock"], `${PASSWORD}\n`);
    assert.equal(await must(ANN, ["secret", "get", "api-token"]), "t0ken");
    assert.match(await must(ANN, ["audit", "verify"]), /OK\n$/);
  });

  test("a clean stop, a boot: connecting finds them", async () => {
    await machine().must(["systemctl", "stop", "sesame-headless@4242.target"]);
    for (const service of SERVICES) {
      const unit = unitOf(ANN, service);
      await eventually(unit, async () => (await show(unit, "ActiveState")) === "inactive");
      assert.equal(await show(unit, "Result"), "success");
      assert.equal(await show(unit, "ExecMainStatus"), "0");
    }
    assert.equal(await show("sesame-headless@4242.target", "UnitFileState"), "enabled");
    await machine().must(["systemctl", "start", "sesame-headless@4242.target"]);
    await must(ANN, ["unlock"], `${PASSWORD}\n`);
    assert.equal(await must(ANN, ["secret", "get", "api-token"]), "t0ken");
  });

  test("uninstalling keeps what the daemons keep, and installing finds it again", async () => {
    const removed = await asRoot(uninstall(ANN));
    assert.equal(removed.exit, 0, removed.err);
    assert.match(removed.out, /Their files are in \/var\/lib\/sesame\/4242/);
    assert.match((await asRoot(uninstall(ANN))).out, /runs no daemons/);
    for (const service of SERVICES)
      assert.equal(await show(unitOf(ANN, service), "ActiveState"), "inactive");
    assert.equal((await sesame(ANN, ["status"])).exit, 78);
    assert.equal(await must(BEN, ["secret", "get", "api-token"]), "bens");
    const again = await asRoot(install(ANN));
    assert.equal(again.exit, 0, again.err);
    await must(ANN, ["unlock"], `${PASSWORD}\n`);
    assert.equal(await must(ANN, ["secret", "get", "api-token"]), "t0ken");
    assert.match(await must(ANN, ["audit", "verify"]), /OK\n$/);
  });

  test("the last one takes the units along", async () => {
    for (const user of [ANN, BEN]) assert.equal((await asRoot(uninstall(user))).exit, 0);
    const units = await machine().must(["ls", "/etc/systemd/system"]);
    assert.doesNotMatch(units, /sesame/);
    assert.equal((await machine().run(["ls", "/etc/sesame"])).out, "");
  });
});
