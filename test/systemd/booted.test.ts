import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { eventually } from "../helpers/eventually.ts";
import { PASSWORD, type Ran } from "../helpers/home.ts";
import { Machine, type As } from "../helpers/machine.ts";
import { DAEMON_FLAGS } from "../../packages/cli/src/node-flags.ts";
import { renderUnits } from "../../packages/cli/src/systemd/units.ts";

const USER = 4242;
const SERVICE_USER = 4343;
const BUNDLES = "/opt/sesame/packages/cli/dist";
const UNITS = ["sesame-profile.service", "sesame-secrets.service"] as const;
const [BUS, VAULTS] = UNITS;
type Service = (typeof UNITS)[number];

/** Tries system calls and prints how each ended. */
const PROBE = `
import ctypes, errno, json, platform, socket
libc = ctypes.CDLL(None, use_errno=True)
arm = platform.machine() == "aarch64"
def attempt(number, *args):
    words = [ctypes.c_void_p(arg) if isinstance(arg, int) else arg for arg in args]
    if libc.syscall(ctypes.c_long(number), *words) >= 0: return "ok"
    return errno.errorcode[ctypes.get_errno()]
def inet():
    try: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(); return "ok"
    except OSError as cause: return errno.errorcode[cause.errno]
kill = ctypes.byref(ctypes.c_uint32(0x80000000))
params = ctypes.create_string_buffer(120)
print(json.dumps({
    "landlock_create_ruleset": attempt(444, 0, 0, 1),
    "seccomp": attempt(277 if arm else 317, 2, 0, kill),
    "memfd_secret": attempt(447, 0),
    "io_uring_setup": attempt(425, 1, params),
    "ptrace": attempt(117 if arm else 101, 16, 1),
    "unshare": attempt(97 if arm else 272, 0x10000000),
    "inet": inet(),
}))
`;

const booted = await Machine.boot(USER);
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

/** One service manager with the units, and the user whose daemons it runs. */
type Place = {
  readonly name: string;
  readonly as: As & { readonly uid: number };
  readonly systemctl: (...args: string[]) => Promise<string>;
  /** Field of the journal that names the unit. systemd.journal-fields(7) */
  readonly field: string;
  /** Where the manager reads units. */
  readonly folder: string;
  readonly config: string;
};

const USER_PLACE: Place = {
  name: "manager of a user",
  as: { uid: USER, env: { HOME: "/home/user", XDG_RUNTIME_DIR: `/run/user/${USER}` } },
  systemctl: (...args) => machine().must(["systemctl", "--user", ...args], USER_PLACE.as),
  field: "_SYSTEMD_USER_UNIT",
  folder: "/home/user/.config/systemd/user",
  config: "/home/user/.config/pds",
};

// %E and %t are /etc and /run there. systemd.unit(5)
const SYSTEM_PLACE: Place = {
  name: "manager of the system",
  as: {
    uid: SERVICE_USER,
    env: { HOME: "/var/lib/sesame", XDG_CONFIG_HOME: "/etc", XDG_RUNTIME_DIR: "/run" },
  },
  systemctl: (...args) => machine().must(["systemctl", ...args]),
  field: "_SYSTEMD_UNIT",
  folder: "/etc/systemd/system",
  config: "/etc/pds",
};

function sesame({ as }: Place, args: readonly string[], input = ""): Promise<Ran> {
  return machine().run(["sesame", ...args], { ...as, input });
}

async function must(place: Place, args: readonly string[], input = ""): Promise<string> {
  const { exit, out, err } = await sesame(place, args, input);
  assert.equal(exit, 0, `sesame ${args.join(" ")}: ${out}${err}`);
  return out;
}

const unlock = (place: Place): Promise<string> => must(place, ["unlock"], `${PASSWORD}\n`);

async function show(place: Place, unit: string, property: string): Promise<string> {
  return place.systemctl("show", `--property=${property}`, "--value", unit);
}

/** Process of a service that runs. */
async function pidOf(place: Place, unit: Service): Promise<number> {
  const pid = Number(await show(place, unit, "MainPID"));
  assert.ok(pid > 1, `${unit} does not run`);
  return pid;
}

/** What a unit has written to the journal. */
async function journal({ field }: Place, unit: Service): Promise<string> {
  const match = ["-o", "cat", `${field}=${unit}`];
  return machine()
    .must(["journalctl", "--sync"])
    .then(() => machine().must(["journalctl", ...match]));
}

async function write(path: string, text: string): Promise<void> {
  await machine().must(["sh", "-c", 'mkdir -p "$(dirname "$1")"; cat >"$1"', "sh", path], {
    input: text,
  });
}

async function dropIn(place: Place, unit: string, name: string, text: string): Promise<void> {
  await write(`${place.folder}/${unit}.d/${name}.conf`, text);
  await place.systemctl("daemon-reload");
}

/** Starts services again; the limit on restarts is not what these tests are about. */
async function restart(place: Place, ...units: Service[]): Promise<void> {
  await place.systemctl("reset-failed", ...units);
  await place.systemctl("restart", ...units);
}

/** Waits until a service runs as another process than before. */
async function restarted(place: Place, unit: Service, before: number): Promise<void> {
  await eventually(`${unit} runs again`, async () => {
    const state = await show(place, unit, "ActiveState");
    const pid = Number(await show(place, unit, "MainPID"));
    return state === "active" && pid > 1 && pid !== before;
  });
}

const isConnected = async (place: Place): Promise<boolean> =>
  (JSON.parse(await must(place, ["status", "--json"])) as { secretsConnected: boolean })
    .secretsConnected;

describe("sesame daemon install", { skip }, () => {
  test("before `sesame init` it changes nothing but the user's units", async () => {
    const first = await must(USER_PLACE, ["daemon", "install"]);
    assert.match(first, /start after `sesame init`/);
    const again = await must(USER_PLACE, ["daemon", "install", "--json"]);
    assert.equal((JSON.parse(again) as { changed: boolean }).changed, false);
    const found = await machine().must(["find", "/home/user", "-name", "*.*", "-printf", "%P\n"]);
    assert.deepEqual(
      found
        .split("\n")
        .filter((path) => path.includes("sesame"))
        .sort(),
      [
        ".config/systemd/user/default.target.wants/sesame-headless.target",
        ".config/systemd/user/sesame-alerts.service",
        ".config/systemd/user/sesame-headless.target",
        ".config/systemd/user/sesame-launcher.service",
        ".config/systemd/user/sesame-profile.service",
        ".config/systemd/user/sesame-profile.socket",
        ".config/systemd/user/sesame-secrets.service",
      ],
    );
    assert.equal(await USER_PLACE.systemctl("is-enabled", "sesame-headless.target"), "enabled");
  });

  test("the main job runs on units that start by themselves", async () => {
    await must(USER_PLACE, ["init"], `${PASSWORD}\n`);
    const { pid } = JSON.parse(await must(USER_PLACE, ["status", "--json"])) as { pid: number };
    assert.equal(pid, await pidOf(USER_PLACE, BUS));
    await must(USER_PLACE, ["secret", "set", "api-token"], "t0ken");
    const printed = await must(USER_PLACE, ["env", "--", "sh", "-c", 'echo "$API_TOKEN"']);
    assert.equal(printed, "t0ken\n");
    assert.match(await must(USER_PLACE, ["daemon", "start"]), /Running already/);
    assert.match(await must(USER_PLACE, ["audit", "verify"]), /OK/);
  });

  test("alerts are sent by a unit of their own, once there is a configuration", async () => {
    const unit = "sesame-alerts.service";
    assert.equal(await show(USER_PLACE, unit, "ActiveState"), "inactive");
    const script = `
      umask 077
      printf '#!/bin/sh\\ncat >> /home/user/alerted\\n' > /home/user/hook
      chmod 700 /home/user/hook
      printf '{"command":["/home/user/hook"],"actions":["secret.list"]}' > "$1/alerts.json"
    `;
    await machine().must(["sh", "-c", script, "sh", USER_PLACE.config], USER_PLACE.as);
    await USER_PLACE.systemctl("start", unit);
    await eventually("the alert", async () => {
      await must(USER_PLACE, ["secret", "list"]);
      const { out } = await machine().run(["cat", "/home/user/alerted"]);
      return /"who":"operator","what":"secret\.list default/.test(out);
    });
    await USER_PLACE.systemctl("stop", unit);
    assert.equal(await show(USER_PLACE, unit, "Result"), "success");
    await machine().must(["rm", `${USER_PLACE.config}/alerts.json`]);
  });

  test("done again, it leaves running daemons alone", async () => {
    const before = await pidOf(USER_PLACE, BUS);
    assert.match(await must(USER_PLACE, ["daemon", "install"]), /Nothing was changed/);
    assert.equal(await pidOf(USER_PLACE, BUS), before);
  });

  test("another program's unit is not overwritten", async () => {
    const path = `${USER_PLACE.folder}/sesame-profile.socket`;
    const ours = await machine().must(["cat", path]);
    await write(path, "[Socket]\n");
    const { exit, err } = await sesame(USER_PLACE, ["daemon", "install"]);
    assert.equal(exit, 73, err);
    assert.equal(await machine().must(["cat", path]), "[Socket]");
    await write(path, `${ours}\n`);
  });

  // SECURITY: a folder's name would run programs of its maker's choice, or hide the daemon's path.
  test("a path reaches the program letter by letter", async () => {
    const bundles = "/a  b/%h/$HOME/${HOME}/\"; -x \\n '";
    const units = renderUnits({ node: "/bin/echo", bundles });
    const { text } = units.find(({ name }) => name === BUS) ?? { text: "" };
    const [line = ""] = /^ExecStart=.*$/m.exec(text) ?? [];
    await write("/etc/systemd/system/echo.service", `[Service]\nType=oneshot\n${line}\n`);
    await machine().must(["systemctl", "start", "echo.service"]);
    const match = ["-o", "cat", "-t", "echo"];
    await machine().must(["journalctl", "--sync"]);
    assert.equal(
      await machine().must(["journalctl", ...match]),
      `${DAEMON_FLAGS.join(" ")} ${bundles}/daemon-profile.mjs`,
    );
  });
});

describe("as services of the system", { skip }, () => {
  test("the same units serve a user of their own", async () => {
    const { folder, as, config } = SYSTEM_PLACE;
    const id = String(as.uid);
    const folders = [config, "/run/pds", "/var/lib/sesame"];
    await machine().must([
      "sh",
      "-c",
      `echo 'suite:x:${id}:${id}::/var/lib/sesame:/bin/sh' >>/etc/passwd`,
    ]);
    await machine().must(["install", "-d", "-m", "0700", "-o", id, "-g", id, ...folders]);
    await must(SYSTEM_PLACE, ["init"], `${PASSWORD}\n`);
    await must(SYSTEM_PLACE, ["daemon", "stop"]);
    const node = "/opt/sesame/node_modules/.bin/node";
    for (const { name, text } of renderUnits({ node, bundles: BUNDLES }))
      await write(`${folder}/${name}`, text);
    const environment = Object.entries(as.env ?? {}).map(([name, value]) => `${name}=${value}`);
    for (const unit of [...UNITS, "sesame-launcher.service"]) {
      const keys = `TemporaryFileSystem=\nTemporaryFileSystem=${config}/keys:ro\n`;
      const user = `[Service]\nUser=${id}\nEnvironment=${environment.join(" ")}\n`;
      const text = unit === "sesame-launcher.service" ? user : `${user}${keys}`;
      await dropIn(SYSTEM_PLACE, unit, "user", text);
    }
    await dropIn(SYSTEM_PLACE, "sesame-profile.socket", "user", `[Socket]\nSocketUser=${id}\n`);
    await SYSTEM_PLACE.systemctl("start", "sesame-headless.target");
    await unlock(SYSTEM_PLACE);
    assert.equal(await isConnected(SYSTEM_PLACE), true);
  });
});

describe("both managers", { skip, concurrency: 2 }, () => {
  for (const place of [USER_PLACE, SYSTEM_PLACE])
    describe(`under the ${place.name}`, { concurrency: 1 }, () => {
      test("the services count as started once they have said that they serve", async () => {
        for (const unit of UNITS) {
          assert.equal(await show(place, unit, "Type"), "notify");
          assert.equal(await show(place, unit, "NotifyAccess"), "main");
          assert.equal(await show(place, unit, "ActiveState"), "active");
          assert.match(await journal(place, unit), /"event":"ready"/);
        }
      });

      // SECURITY: a daemon that was taken over would gain privileges, system calls or a network.
      test("hardening is in force on every thread", async () => {
        const outside = await machine().must(["readlink", "/proc/1/ns/net"]);
        for (const unit of UNITS) {
          const pid = await pidOf(place, unit);
          const script = `cat /proc/${pid}/task/*/status`;
          const status = await machine().must(["sh", "-c", script]);
          const threads = status.match(/^Pid:/gm)?.length ?? 0;
          assert.ok(threads > 5, unit);
          for (const line of ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000"])
            assert.equal(status.split(line).length - 1, threads, `${unit}: ${line}`);
          assert.equal(status.split("CapBnd:\t0000000000000000").length - 1, threads, unit);
          assert.notEqual(await machine().must(["readlink", `/proc/${pid}/ns/net`]), outside);
          const devices = await machine().must(["cat", `/proc/${pid}/net/dev`]);
          assert.equal(
            devices
              .match(/^ *\w+:/gm)
              ?.join()
              .trim(),
            "lo:",
            unit,
          );
          const limits = await machine().must(["cat", `/proc/${pid}/limits`]);
          assert.match(limits, /^Max core file size +0 +0 /m, unit);
        }
      });

      // SECURITY: a bus that was taken over would read the operator's key and the vaults; a vault
      // daemon that was taken over would rewrite the log.
      test("each service sees the files of its own work only", async () => {
        for (const unit of UNITS) {
          const seen = `/proc/${await pidOf(place, unit)}/root`;
          const list = async (folder: string): Promise<string> =>
            machine().must(["ls", `${seen}${place.config}/${folder}`]);
          const daemon = unit.replace("sesame-", "daemon-").replace(".service", "");
          assert.equal(await list("keys"), daemon);
          assert.equal(await list(unit === BUS ? "vaults" : "audit"), "");
          assert.notEqual(await list(unit === BUS ? "audit" : "vaults"), "");
          for (const path of [
            "/etc",
            "/usr",
            "/opt/sesame",
            "/home/user",
            `${place.config}/keys`,
          ]) {
            const { exit, err } = await machine().run(["touch", `${seen}${path}/probe`]);
            assert.equal(exit, 1, path);
            assert.match(err, /Read-only file system/, path);
          }
          const record = `${seen}${place.config}/installation.toml`;
          const { err } = await machine().run(["truncate", "-s", "0", record]);
          assert.match(err, /Read-only file system/);
        }
      });

      // SECURITY: a filter that lacks io_uring or ptrace is none; one that lacks Landlock would leave
      // the daemons without the sandbox that they make themselves.
      test("the daemons may sandbox themselves, and not get round it", async () => {
        const unit = renderUnits({ node: "/", bundles: "/" }).find(({ name }) => name === VAULTS);
        const text = (unit?.text ?? "")
          .replace("Type=notify", "Type=oneshot")
          .replace(/^ExecStart=.*$/m, "ExecStart=/usr/bin/python3 /etc/probe.py")
          .replace(/^(Restart|Watchdog|NotifyAccess|PartOf|Wants|StopWhen|Runtime).*\n/gm, "");
        await write("/etc/probe.py", PROBE);
        await write(`${place.folder}/probe.service`, text);
        if (place === SYSTEM_PLACE)
          await dropIn(place, "probe.service", "user", `[Service]\nUser=${place.as.uid}\n`);
        await place.systemctl("daemon-reload");
        await place.systemctl("start", "probe.service");
        await machine().must(["journalctl", "--sync"]);
        const match = ["-o", "cat", "-t", "python3", `${place.field}=probe.service`];
        assert.deepEqual(JSON.parse(await machine().must(["journalctl", ...match])), {
          landlock_create_ruleset: "ok",
          seccomp: "ok",
          memfd_secret: "ok",
          io_uring_setup: "EPERM",
          ptrace: "EPERM",
          unshare: "EPERM",
          inet: "EAFNOSUPPORT",
        });
      });

      // SECURITY: another user would talk to the bus as if it were this one.
      test("in a user namespace the bus still tells users apart", async () => {
        const users = await machine().must([
          "readlink",
          `/proc/${await pidOf(place, BUS)}/ns/user`,
        ]);
        assert.notEqual(users, await machine().must(["readlink", "/proc/1/ns/user"]));
        const status = JSON.parse(await must(place, ["status", "--json"])) as { you: string };
        assert.equal(status.you, "operator");
        const path = `${place.as.env?.["XDG_RUNTIME_DIR"] ?? ""}/pds/bus.sock`;
        const script = `
        const socket = require("node:net").connect(process.argv[1]);
        socket.once("data", () => { console.log("greeted"); socket.destroy(); });
        socket.once("end", () => console.log("turned away"));
      `;
        const client = ["node", "-e", script, path];
        assert.equal(await machine().must(client, place.as), "greeted");
        assert.equal(await machine().must(client, { uid: 0 }), "turned away");
      });

      test("a client that connects while the bus is down is served by the next one", async () => {
        const before = await pidOf(place, BUS);
        await machine().must(["kill", "-9", String(before)]);
        const served = JSON.parse(await must(place, ["status", "--json"])) as { pid: number };
        assert.notEqual(served.pid, before);
        await restarted(place, BUS, before);
        assert.equal(served.pid, await pidOf(place, BUS));
        await eventually("the vaults are on the bus", () => isConnected(place));
      });

      test("a daemon that hangs is killed and started again", async () => {
        for (const unit of UNITS)
          await dropIn(place, unit, "watchdog", "[Service]\nWatchdogSec=2\n");
        await restart(place, ...UNITS);
        const before = await Promise.all(UNITS.map((unit) => pidOf(place, unit)));
        await machine().must(["kill", "-STOP", ...before.map(String)]);
        for (const [i, unit] of UNITS.entries()) {
          await restarted(place, unit, before[i] ?? 0);
          assert.equal(await show(place, unit, "NRestarts"), "1");
        }
        await eventually("the vaults are on the bus", () => isConnected(place));
        // What the manager says of a unit carries the field without the trusted prefix.
        const field = place.field.replace("_SYSTEMD_", "");
        for (const unit of UNITS) {
          const said = await machine().must(["journalctl", "-o", "cat", `${field}=${unit}`]);
          assert.match(said, /Failed with result 'watchdog'/);
        }
      });

      test("a daemon that needs a person stays down and says why", async () => {
        const key = `${place.config}/keys/daemon-secrets/daemon-secrets.key`;
        await machine().must(["mv", key, `${key}.kept`]);
        await restart(place, VAULTS).catch(() => undefined);
        const get = (property: string): Promise<string> => show(place, VAULTS, property);
        assert.equal(await get("ActiveState"), "failed");
        assert.equal(await get("ExecMainStatus"), "76");
        assert.equal(await get("NRestarts"), "0");
        assert.match(await journal(place, VAULTS), /key file does not belong to this installation/);
        await machine().must(["mv", `${key}.kept`, key]);
        await place.systemctl("start", VAULTS);
        assert.equal(await isConnected(place), true);
      });

      // SECURITY: a variable of the login session would load a program of its choice into the daemon.
      test("no variable of the manager loads code into a daemon", async () => {
        await write("/tmp/evil.cjs", "process.exit(1);");
        await place.systemctl("set-environment", "NODE_OPTIONS=--require=/tmp/evil.cjs");
        await restart(place, ...UNITS);
        await place.systemctl("unset-environment", "NODE_OPTIONS");
        for (const unit of UNITS) {
          const environment = `/proc/${await pidOf(place, unit)}/environ`;
          assert.doesNotMatch(await machine().must(["cat", environment]), /NODE_OPTIONS/);
        }
      });

      test("on a clean stop the bus leaves its last checkpoint with the vaults", async () => {
        await unlock(place);
        await place.systemctl("stop", "sesame-headless.target", "sesame-profile.socket");
        for (const unit of [BUS, VAULTS]) {
          await eventually(
            unit,
            async () => (await show(place, unit, "ActiveState")) === "inactive",
          );
          assert.equal(await show(place, unit, "Result"), "success");
          assert.equal(await show(place, unit, "ExecMainStatus"), "0");
        }
        const said = await journal(place, BUS);
        assert.match(said.split("\n").at(-1) ?? "", /"event":"anchored"/);
        const socket = `${place.as.env?.["XDG_RUNTIME_DIR"] ?? ""}/pds/bus.sock`;
        assert.equal((await machine().run(["test", "-e", socket])).exit, 1);
      });
    });
});

describe("sesame daemon uninstall", { skip }, () => {
  test("until then the daemons start with the login", async () => {
    await machine().must(["systemctl", "restart", `user@${USER}.service`]);
    await eventually("the target", async () => {
      const state = await show(USER_PLACE, "sesame-headless.target", "ActiveState");
      return state === "active";
    });
    assert.equal(await isConnected(USER_PLACE), true);
  });

  test("it stops the daemons and removes exactly what was written", async () => {
    await write(`${USER_PLACE.folder}/other.service`, "[Service]\nExecStart=/bin/true\n");
    await must(USER_PLACE, ["daemon", "uninstall"]);
    assert.equal(await show(USER_PLACE, BUS, "ActiveState"), "inactive");
    const left = await machine().must([
      "find",
      USER_PLACE.folder,
      "-type",
      "f,l",
      "-printf",
      "%P\n",
    ]);
    assert.deepEqual(left.split("\n").sort(), [
      "other.service",
      "probe.service",
      "sesame-profile.service.d/watchdog.conf",
      "sesame-secrets.service.d/watchdog.conf",
    ]);
    assert.match(await must(USER_PLACE, ["daemon", "uninstall"]), /Nothing was installed/);
  });

  test("afterwards the daemons start when they are needed", async () => {
    await unlock(USER_PLACE);
    assert.equal(await must(USER_PLACE, ["secret", "get", "api-token"]), "t0ken");
    assert.match(await must(USER_PLACE, ["daemon", "stop"]), /Stopped/);
  });
});
