import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { BusClient } from "@sesame/core-ipc/client";
import { Denial, Fault } from "@sesame/core-types";
import { DirectDaemon } from "../helpers/direct-daemon.ts";
import { Home, PASSWORD } from "../helpers/home.ts";
import { Random, SEED } from "../helpers/random.ts";

const KILLS = process.env["SLOW"] === "1" ? 2_000 : 200;
const CLIENTS = 3;
const NAMES_PER_CLIENT = 4;
/** No write acknowledged for so long, in milliseconds: the daemons are stuck. */
const STUCK_MS = 30_000;

/** What is known of one secret. Attempts are numbered from 1; each writes a value of its own. */
type Book = {
  readonly name: string;
  attempted: number;
  acknowledged: number;
  /** Version that came with the last acknowledgement. */
  version: number;
  acknowledgements: number;
};

/** Writes that clients attempt and daemons acknowledge, until it is stopped. */
class Load {
  readonly books: Book[] = [];
  readonly #home: Home;
  readonly #done: Promise<void>[];
  #stopped = false;
  #count = 0;
  #waiting: { count: number; resolve: () => void } | null = null;
  #failure: unknown = null;

  constructor(home: Home) {
    this.#home = home;
    this.#done = Array.from({ length: CLIENTS }, async (_, client) => {
      try {
        await this.#write(client);
      } catch (cause) {
        this.#failure ??= cause;
        this.#waiting?.resolve();
      }
    });
  }

  /** Resolves after so many further acknowledgements. */
  async acknowledged(count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting = { count: this.#count + count, resolve };
    this.#check();
    const stuck = new AbortController();
    await Promise.race([
      promise,
      delay(STUCK_MS, undefined, { signal: stuck.signal, ref: false }).then(() => {
        throw new Error(`no ${count} writes were acknowledged within ${STUCK_MS} ms`);
      }),
    ]).finally(() => stuck.abort());
    if (this.#failure !== null) throw this.#failure;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#done);
    if (this.#failure !== null) throw this.#failure;
  }

  #check(): void {
    const waiting = this.#waiting;
    if (this.#failure !== null || (waiting !== null && this.#count >= waiting.count))
      waiting?.resolve();
  }

  async #write(client: number): Promise<void> {
    const books = Array.from({ length: NAMES_PER_CLIENT }, (_, n) => ({
      name: `client-${client}/secret-${n}`,
      attempted: 0,
      acknowledged: 0,
      version: 0,
      acknowledgements: 0,
    }));
    this.books.push(...books);
    let bus: BusClient | null = null;
    for (let turn = 0; !this.#stopped; turn++) {
      const book = books[turn % books.length] as Book;
      try {
        bus ??= await this.#home.connect();
        const attempt = ++book.attempted;
        const value = valueOf(book.name, attempt);
        const call = { profile: "default", name: book.name, value };
        const { version } = await bus.call("secret.set", call);
        assert.ok(version > book.version, `${book.name}: version ${version} came again`);
        Object.assign(book, { acknowledged: attempt, version });
        book.acknowledgements++;
        this.#count++;
        this.#check();
      } catch (cause) {
        if (!isPassing(cause)) throw cause;
        if (cause instanceof Fault) {
          await bus?.close();
          bus = null;
        }
        await delay(5);
      }
    }
    await bus?.close();
  }
}

/** What a client may hear while a daemon is away; anything else is a finding. */
function isPassing(cause: unknown): boolean {
  if (cause instanceof Fault) return cause.exit === "unavailable";
  const codes = ["owner-absent", "vault-locked", "profile-inactive", "audit-unavailable"];
  return cause instanceof Denial && codes.includes(cause.code);
}

function valueOf(name: string, attempt: number): Uint8Array {
  return new TextEncoder().encode(`${name} ${attempt} ${"x".repeat((attempt * 97) % 1_500)}`);
}

/** Unlocks as a person does: waits where it is told to wait. */
async function unlock(home: Home): Promise<void> {
  for (;;) {
    const bus = await home.connect();
    try {
      const password = new TextEncoder().encode(PASSWORD);
      await bus.call("vault.unlock", { profile: "default", password });
      return;
    } catch (cause) {
      if (!(cause instanceof Denial && cause.code === "throttled")) throw cause;
      await delay(cause.retryAfterMs);
    } finally {
      await bus.close();
    }
  }
}

type Entry = { readonly action: string; readonly object: string | null; readonly outcome: string };

function entriesOf(home: Home): Entry[] {
  const { audit } = home.paths;
  return readdirSync(audit)
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => readFileSync(join(audit, name), "utf8").trimEnd().split("\n"))
    .map((line) => JSON.parse(line) as Entry);
}

/** Everything that was acknowledged is there, is right, and is on record. */
async function expectNothingLost(home: Home, books: readonly Book[]): Promise<void> {
  const report = home.json(["audit", "verify"]) as {
    ok: boolean;
    gaps: readonly { saved: string }[];
  };
  assert.equal(report.ok, true);
  assert.ok(report.gaps.every(({ saved }) => saved === "matches"));

  const writes = Map.groupBy(
    entriesOf(home).filter(({ action, outcome }) => action === "secret.set" && outcome === "ok"),
    ({ object }) => object,
  );
  const bus = await home.connect();
  const { secrets } = await bus.call("secret.list", { profile: "default" });
  for (const { name, attempted, acknowledged, acknowledgements, version } of books) {
    const { value, version: found } = await bus.call("secret.get", { profile: "default", name });
    const text = new TextDecoder().decode(value);
    const attempt = Number(text.split(" ")[1]);
    assert.equal(text, new TextDecoder().decode(valueOf(name, attempt)), "a value nobody wrote");
    assert.ok(attempt >= acknowledged, `${name}: ${acknowledged} was acknowledged, not ${attempt}`);
    assert.ok(attempt <= attempted);
    assert.equal(found === version, attempt === acknowledged);
    const pseudonym = secrets.find((secret) => secret.name === name)?.pseudonym;
    const recorded = writes.get(`secret:${pseudonym}`)?.length ?? 0;
    assert.ok(recorded >= acknowledgements, `${name}: an acknowledged write is not on record`);
    assert.ok(recorded >= found, `${name}: a version is not on record`);
    assert.ok(recorded <= attempted);
  }
  await bus.close();
}

test(`no acknowledged write is lost by ${KILLS} kills of the daemons (SEED=${SEED})`, async (t) => {
  const random = new Random(SEED);
  await using home = await Home.ready();
  home.must(["daemon", "stop"]);
  const profile = new DirectDaemon(home, "daemon-profile");
  const secrets = new DirectDaemon(home, "daemon-secrets");
  t.after(async () => {
    await secrets.kill();
    await profile.kill();
  });
  await profile.start();
  await secrets.start();
  await unlock(home);
  const load = new Load(home);
  t.after(() => load.stop().catch(() => undefined));

  for (let left = KILLS; left > 0; left--) {
    await load.acknowledged(random.below(16));
    await delay(random.below(4));
    const victim = random.below(6) === 0 ? secrets : profile;
    await victim.kill();
    // Some die again while they start, amid recovery.
    for (; random.below(6) === 0; left--) {
      const started = victim.start();
      await delay(random.below(150));
      await victim.kill();
      await started;
    }
    await victim.start();
    if (victim === secrets) {
      if (random.below(12) === 0) {
        // Dies while a password is being tried: costs a wait, and nothing else.
        const unlocked = unlock(home).catch(() => undefined);
        await delay(random.below(200));
        await secrets.kill();
        left--;
        await secrets.start();
        await unlocked;
      }
      await unlock(home);
    }
  }
  await load.acknowledged(50);
  await load.stop();
  await secrets.stop();
  await profile.stop();

  home.must(["daemon", "start"]);
  home.must(["unlock"], `${PASSWORD}\n`);
  await expectNothingLost(home, load.books);
  t.diagnostic(`${load.books.reduce((sum, book) => sum + book.acknowledgements, 0)} writes`);
});
