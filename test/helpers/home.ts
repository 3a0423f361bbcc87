import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { openBus, type BusClient } from "@sesame/core-ipc/client";
import { keyFileOf, createKeyFile, pathsFrom, type Paths } from "@sesame/core-ipc/daemon";
import {
  DEFAULT_CAPABILITIES,
  type Capability,
  type Identity,
  type IdentityKind,
  type Level,
} from "@sesame/core-types";
import { PASSWORD, signRecord } from "./sign-record.ts";

export { PASSWORD } from "./sign-record.ts";
export const SESAME = fileURLToPath(new URL("../../packages/cli/bin/sesame", import.meta.url));

export type Ran = {
  /** Exit code; -1 if a signal ended it. */
  readonly exit: number;
  readonly out: string;
  readonly err: string;
};

export type NewIdentity = {
  readonly name: string;
  readonly kind?: IdentityKind;
  readonly clearance?: Level;
  readonly capabilities?: readonly Capability[];
};

/**
 * A throw-away home with real daemons and the real command. `await using` stops and removes it.
 */
export class Home {
  readonly path: string;
  readonly env: Record<string, string>;

  constructor() {
    this.path = mkdtempSync(join(tmpdir(), "sesame-"));
    const runtime = join(this.path, "run");
    mkdirSync(runtime, { mode: 0o700 });
    chmodSync(this.path, 0o755);
    this.env = {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: this.path,
      XDG_RUNTIME_DIR: runtime,
      LANG: "C.UTF-8",
      // `kill` proves that the daemons make no system call beyond their list.
      SESAME_SYSCALLS: process.env["SESAME_SYSCALLS"] ?? "kill",
    };
  }

  /** A home that is set up, with the daemons running and the default vault unlocked. */
  static async ready(identities: readonly NewIdentity[] = []): Promise<Home> {
    const home = new Home();
    home.must(["init"], `${PASSWORD}\n`);
    if (identities.length > 0) {
      // The daemons read the record when they start.
      home.must(["daemon", "stop"]);
      await home.enrol(identities);
      home.must(["daemon", "start"]);
      home.must(["unlock"], `${PASSWORD}\n`);
    }
    return home;
  }

  get paths(): Paths {
    return pathsFrom(this.env);
  }

  /** Runs `sesame` to its end. */
  run(args: readonly string[], input: string | Uint8Array = "", env = {}): Ran {
    const { status, stdout, stderr } = spawnSync(SESAME, args, {
      env: { ...this.env, ...env },
      cwd: this.path,
      input,
      encoding: "utf8",
      timeout: 60_000,
      maxBuffer: 64 * 1024 * 1024,
    });
    return { exit: status ?? -1, out: stdout, err: stderr };
  }

  /** As run, for steps that are no part of what is tested. */
  must(args: readonly string[], input: string | Uint8Array = ""): string {
    const { exit, out, err } = this.run(args, input);
    if (exit !== 0) throw new Error(`sesame ${args.join(" ")}: exit ${exit}: ${err}`);
    return out;
  }

  /** Runs `sesame --json` and parses what it prints. */
  json(args: readonly string[], input: string | Uint8Array = ""): unknown {
    return JSON.parse(this.must([...args, "--json"], input));
  }

  /** Starts `sesame` and leaves it running. */
  start(args: readonly string[]): ChildProcess {
    return spawn(SESAME, args, { env: this.env, cwd: this.path, stdio: "pipe" });
  }

  /** As run, while this process goes on. */
  async later(args: readonly string[], input = ""): Promise<Ran> {
    const child = this.start(args);
    const { promise, resolve } = Promise.withResolvers<number | null>();
    child.on("close", resolve);
    const [out, err]: [Buffer[], Buffer[]] = [[], []];
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin?.end(input);
    const exit = (await promise) ?? -1;
    return { exit, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() };
  }

  /** Connects in this process, as an identity or unregistered. */
  async connect(as: string | null = "operator"): Promise<BusClient> {
    return openBus({ suite, as, paths: this.paths });
  }

  /** Adds identities to the signed record, with key files, as the root key's owner. */
  async enrol(identities: readonly NewIdentity[]): Promise<void> {
    const { paths } = this;
    const added = identities.map(({ name, kind = "service", clearance, capabilities }) => {
      const keys = createKeyFile(suite, keyFileOf(paths, name));
      if (keys === null) throw new Error(`${name} is enrolled already`);
      return {
        id: randomUUID(),
        name,
        kind,
        state: "active" as const,
        enrolledMs: Date.now(),
        wants: "",
        keyedMs: Date.now(),
        former: [],
        clearance: clearance ?? ("internal" as const),
        capabilities: capabilities ?? DEFAULT_CAPABILITIES[kind],
        noiseKey: keys.noise.publicKey,
        sealingKey: keys.sealing.publicKey,
        signingKey: keys.signingKey,
      };
    });
    await this.sign((before) => [...before, ...added]);
  }

  /** Changes the signed record as the root key's owner, and tells nobody of it. */
  async sign(change: (identities: readonly Identity[]) => readonly Identity[]): Promise<void> {
    await signRecord(this.paths, change);
  }

  /** Pid of a daemon, from the lock that it holds. */
  pidOf(daemon: "daemon-profile" | "daemon-secrets" | "daemon-launcher"): number {
    const { busLock, secretsLock, launcherLock } = this.paths;
    const lock = {
      "daemon-profile": busLock,
      "daemon-secrets": secretsLock,
      "daemon-launcher": launcherLock,
    }[daemon];
    const program = [
      "import fcntl,struct,sys",
      "f=open(sys.argv[1])",
      "l=struct.pack('hhqqi',fcntl.F_WRLCK,0,0,0,0)",
      "print(struct.unpack('hhqqi',fcntl.fcntl(f,fcntl.F_GETLK,l)[:28])[4])",
    ].join("\n");
    const { stdout } = spawnSync("python3", ["-c", program, lock], { encoding: "utf8" });
    const pid = Number(stdout);
    if (!(pid > 0)) throw new Error(`${daemon} does not run`);
    return pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.run(["daemon", "stop"]);
    rmSync(this.path, { recursive: true, force: true });
  }
}
