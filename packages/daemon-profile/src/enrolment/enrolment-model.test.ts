import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import {
  admitted,
  inState,
  loadInstallation,
  RecordInForce,
  saveInstallation,
  without,
  type Identities,
  type Installation,
} from "@sesame/core-ipc/daemon";
import { Registry } from "@sesame/core-ipc/server";
import { Denial, Fault, toHex, type Enrolment, type Identity } from "@sesame/core-types";
import { dismiss, enter, type WaitingRoom } from "./waiting-room.ts";

// The waiting room, the signed record and two daemons, driven by random operators and applicants,
// beside a model that knows two things only: what the operator has decided last about each key, and
// which of its decisions each daemon has read.

const ROOT = new Uint8Array(new ArrayBuffer(32)).fill(9);
const KEYS = [1, 2];
const DAEMONS = ["daemon-profile", "daemon-secrets"] as const;
const EVIDENCE = { pid: 1, uid: 1_000, executable: null, unit: null };
const key = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const nameOf = (k: number): string => `agent-${k}`;

type Daemon = {
  readonly own: string;
  record: RecordInForce | null;
  /** The highest that it had in force. */
  serial: number;
  registry: Registry;
  /** Keys that the model says have rights here. */
  active: ReadonlySet<number>;
};

type Op = {
  readonly do:
    | "enroll"
    | "let in"
    | "approve"
    | "reject"
    | "suspend"
    | "resume"
    | "revoke"
    | "reload"
    | "restart"
    | "put back"
    | "repair";
  readonly key: number;
  readonly daemon: number;
  readonly which: number;
};

const op: fc.Arbitrary<Op> = fc.record({
  do: fc.constantFrom(
    ...(["enroll", "approve", "let in", "let in", "reject"] as const),
    ...(["suspend", "resume", "revoke"] as const),
    ...(["reload", "reload", "restart", "put back", "repair"] as const),
  ),
  key: fc.constantFrom(...KEYS),
  daemon: fc.nat(DAEMONS.length - 1),
  which: fc.nat(5),
});

class World {
  readonly directory = mkdtempSync(join(tmpdir(), "sesame-model-"));
  readonly path = join(this.directory, "installation.toml");
  readonly history: Buffer[] = [];
  readonly daemons: Daemon[];
  /** Keys that the operator has let in and not thrown out since; true while they have rights. */
  readonly decided = new Map<number, boolean>();
  /** By serial, the keys that had rights when that record was signed. */
  readonly signed = new Map<number, ReadonlySet<number>>();
  latest: Installation;
  room: WaitingRoom = [];
  nowMs = 1_700_000_000_000;

  constructor() {
    const founder = (name: string, byte: number): Identity => ({
      id: id(byte),
      name,
      kind: "daemon",
      state: "active",
      enrolledMs: 0,
      clearance: "internal",
      capabilities: [],
      wants: "",
      keyedMs: 0,
      former: [],
      noiseKey: key(byte),
      sealingKey: key(byte),
      signingKey: key(byte),
    });
    const identities = DAEMONS.map((name, i) => founder(name, 100 + i));
    const rootKey = suite.ed25519PublicKey(ROOT);
    this.latest = { id: id(99), rootKey, serial: 0, identities, tokens: [] };
    this.sign(identities);
    this.daemons = DAEMONS.map((own) => {
      const daemon = {
        own,
        record: null,
        serial: 0,
        registry: new Registry([], Date.now),
        active: new Set<number>(),
      };
      this.start(daemon);
      return daemon;
    });
  }

  sign(identities: Identities): void {
    saveInstallation(suite, this.path, { ...this.latest, identities }, ROOT, this.nowMs);
    const found = loadInstallation(suite, this.path);
    assert.ok(found !== null && found.serial > this.latest.serial);
    this.latest = found;
    this.history.push(readFileSync(this.path));
    this.signed.set(found.serial, new Set(KEYS.filter((k) => this.decided.get(k) === true)));
  }

  start(daemon: Daemon): void {
    const mark = join(this.directory, `${daemon.own}.mark`);
    try {
      daemon.record = new RecordInForce({ suite, path: this.path, mark, own: daemon.own });
    } catch (cause) {
      assert.ok(cause instanceof Fault);
      this.refused();
      daemon.record = null;
      daemon.registry = new Registry([], Date.now);
      daemon.active = new Set();
      return;
    }
    const { serial, identities } = daemon.record.installation;
    assert.ok(serial >= daemon.serial, "it only moves forward");
    daemon.registry = new Registry(identities, Date.now);
    this.read(daemon);
  }

  /** A record gives the rights that had been decided when it was signed. */
  read(daemon: Daemon): void {
    daemon.serial = daemon.record?.installation.serial ?? daemon.serial;
    daemon.active = this.signed.get(daemon.serial) ?? new Set();
  }

  /** Only a record that is not the latest may be refused. */
  refused(): void {
    assert.notDeepEqual(readFileSync(this.path), this.history.at(-1));
  }

  reload(daemon: Daemon): void {
    if (daemon.record === null) return this.start(daemon);
    try {
      const found = daemon.record.reread();
      assert.ok(found.serial >= daemon.record.installation.serial, "it only moves forward");
      assert.ok(daemon.record.adopt(found));
      daemon.registry.replace(found.identities);
    } catch (cause) {
      assert.ok(cause instanceof Denial && cause.code === "record-refused");
      return this.refused();
    }
    this.read(daemon);
  }

  run({ do: what, key: k, daemon: d, which }: Op): void {
    const daemon = this.daemons[d] as Daemon;
    const name = nameOf(k);
    const { identities } = this.latest;
    const known = identities.some((identity) => identity.name === name);
    this.nowMs += 1;
    switch (what) {
      case "enroll":
        if (known) return;
        this.room = enter(
          this.room,
          { enrolment: wish(k), evidence: EVIDENCE },
          this.nowMs,
          () => known,
        );
        return;
      case "let in":
        for (const step of ["enroll", "approve", "reload"] as const)
          this.run({ do: step, key: k, daemon: d, which });
        return;
      case "approve": {
        const waits = this.room.find(({ enrolment }) => enrolment.name === name)?.enrolment;
        if (waits === undefined) return;
        const dates = { enrolledMs: 0, keyedMs: 0, former: [] };
        const more = { id: id(k), state: "active", capabilities: [], ...dates } as const;
        this.decided.set(k, true);
        this.sign(admitted(identities, { ...waits, ...more }));
        this.room = dismiss(this.room, name);
        return;
      }
      case "reject":
        if (this.room.some(({ enrolment }) => enrolment.name === name))
          this.room = dismiss(this.room, name);
        return;
      case "suspend":
      case "resume":
        if (known) this.decided.set(k, what === "resume");
        return this.sign(inState(identities, name, what === "resume" ? "active" : "suspended"));
      case "revoke":
        this.decided.delete(k);
        return this.sign(without(identities, name));
      case "reload":
        return this.reload(daemon);
      case "restart":
        return this.start(daemon);
      case "put back":
        return writeFileSync(
          this.path,
          this.history[which % this.history.length] ?? Buffer.alloc(0),
        );
      case "repair":
        return writeFileSync(this.path, this.history.at(-1) ?? Buffer.alloc(0));
    }
  }

  check(): void {
    for (const { own, registry, active } of this.daemons)
      for (const k of KEYS) {
        const holder = registry.byKey(key(k));
        if (holder === null) continue;
        assert.ok(active.has(k), `${nameOf(k)} is active at ${own}`);
        assert.equal(holder.name, nameOf(k));
        assert.equal(toHex(holder.noiseKey), toHex(key(k)));
      }
  }
}

function wish(k: number): Enrolment {
  const keys = { noiseKey: key(k), sealingKey: key(k), signingKey: key(k) };
  return { name: nameOf(k), kind: "ai", clearance: "internal", wants: "", ...keys };
}

function id(byte: number): string {
  return `00000000-0000-7000-8000-${String(byte).padStart(12, "0")}`;
}

test("[ENROL-8] [ENROL-13] [ENROL-15] no order of events makes a key active that was not let in", () => {
  // SECURITY: some sequence of asking, restarting and putting files back would give rights.
  fc.assert(
    fc.property(fc.array(op, { minLength: 10, maxLength: 40, size: "max" }), (ops) => {
      const world = new World();
      try {
        for (const one of ops) {
          world.run(one);
          world.check();
        }
        // What was decided is what is in force, once the daemons have read the latest record.
        world.run({ do: "repair", key: 1, daemon: 0, which: 0 });
        for (const daemon of world.daemons) {
          world.reload(daemon);
          for (const k of KEYS)
            assert.equal(daemon.registry.byKey(key(k)) !== null, world.decided.get(k) === true);
        }
      } finally {
        rmSync(world.directory, { recursive: true });
      }
    }),
    { numRuns: 40 },
  );
});
