import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import {
  chmodSync,
  statSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { connect, type NetConnectOpts } from "node:net";
import { join } from "node:path";
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { runDaemon, type RunningDaemon } from "@sesame/core-ipc/daemon";
import { SPEC as BUS } from "../../packages/daemon-profile/src/spec.ts";
import { SPEC as VAULT } from "../../packages/daemon-secrets/src/spec.ts";

// A daemon that has been taken over: started, confined and restricted as the real one, it tries
// what an attacker would. Prints the outcomes of each thread as one line of JSON.

/** What a probe tries, by the names that its outcomes have. */
export type Places = {
  /** Files to read. */
  readonly files: Readonly<Record<string, string>>;
  /** Directories to list, and to make a file in. */
  readonly directories: Readonly<Record<string, string>>;
  /** A pathname socket on which somebody else listens. */
  readonly socket: string;
  /** A TCP port of this machine on which somebody else listens. */
  readonly port: number;
  /** Another process of the same user. */
  readonly pid: number;
};

/** "ok" for what worked, else the error's code. */
export type Outcomes = Readonly<Record<string, string>>;

export type Probed = { readonly main: Outcomes; readonly early: Outcomes; readonly late: Outcomes };

const POOL = 16;

async function attempts(places: Places): Promise<Outcomes> {
  const outcomes: Record<string, string> = {};
  const attempt = async (what: string, act: () => unknown): Promise<void> => {
    try {
      await act();
      outcomes[what] = "ok";
    } catch (cause) {
      outcomes[what] = (cause as NodeJS.ErrnoException).code ?? String(cause);
    }
  };
  for (const [name, path] of Object.entries(places.files)) {
    await attempt(`read ${name}`, () => readFileSync(path));
    await attempt(`read ${name}, pool`, () => onEveryPoolThread(() => readFile(path)));
    await attempt(`write ${name}`, () => closeSync(openSync(path, "r+")));
  }
  for (const [name, path] of Object.entries(places.directories)) {
    await attempt(`list ${name}`, () => readdirSync(path));
    await attempt(`list ${name}, pool`, () => onEveryPoolThread(() => readdir(path)));
    await attempt(`create in ${name}`, () => {
      const file = join(path, `probe-${Math.random()}`);
      writeFileSync(file, "");
      rmSync(file);
    });
    await attempt(`symlink in ${name}`, () => {
      const link = join(path, `probe-${Math.random()}`);
      symlinkSync("/", link);
      rmSync(link);
    });
    // To the mode that it has: without a sandbox this succeeds, and must not change the machine.
    await attempt(`chmod ${name}`, () => chmodSync(path, statSync(path).mode & 0o7777));
  }
  await attempt("socket", () => connected({ path: places.socket }));
  await attempt("tcp", () => connected({ port: places.port, host: "127.0.0.1" }));
  await attempt("udp", async () => {
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    socket.close();
  });
  await attempt("exec", () => {
    const { error } = spawnSync("/bin/true");
    if (error !== undefined) throw error;
  });
  await attempt("exec node", () => {
    const { error } = spawnSync(process.execPath, ["--version"]);
    if (error !== undefined) throw error;
  });
  await attempt("signal", () => process.kill(places.pid, 0));
  return outcomes;
}

/** More at once than the pool has threads, so that each of them gets some. */
async function onEveryPoolThread(act: () => Promise<unknown>): Promise<void> {
  const settled = await Promise.allSettled(Array.from({ length: POOL }, act));
  const refused = settled.filter((one) => one.status === "rejected");
  if (refused.length > 0 && refused.length < POOL) throw new Error("some threads may");
  for (const { reason } of refused) throw reason;
}

async function connected(options: NetConnectOpts): Promise<void> {
  const socket = connect(options);
  try {
    await once(socket, "connect");
  } finally {
    socket.destroy();
  }
}

class Aside {
  readonly #worker = new Worker(process.argv[1] ?? "", { execArgv: [] });

  async ready(): Promise<this> {
    await once(this.#worker, "message");
    return this;
  }

  async attempts(places: Places): Promise<Outcomes> {
    this.#worker.postMessage(places, []);
    const [outcomes] = (await once(this.#worker, "message")) as [Outcomes];
    return outcomes;
  }
}

async function probe(places: Places, early: Aside): Promise<never> {
  const probed: Probed = {
    main: await attempts(places),
    early: await early.attempts(places),
    late: await (await new Aside().ready()).attempts(places),
  };
  writeFileSync(1, `${JSON.stringify(probed)}\n`);
  process.exit(0);
}

async function start(places: Places): Promise<RunningDaemon> {
  const early = await new Aside().ready();
  // After the second filter, which follows at once when a daemon has started.
  setImmediate(() => void probe(places, early));
  return { stop: () => Promise.resolve() };
}

if (isMainThread) {
  const [, , name, json = ""] = process.argv;
  const places = JSON.parse(json) as Places;
  const spec = { bus: BUS, vault: VAULT }[name ?? ""];
  if (spec === undefined) await start(places);
  else await runDaemon({ ...spec, start: () => start(places) });
} else {
  parentPort?.on("message", (places: Places) => {
    void attempts(places).then((outcomes) => parentPort?.postMessage(outcomes, []));
  });
  parentPort?.postMessage("ready", []);
}
