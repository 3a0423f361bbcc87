import { ARGON2_DEFAULT } from "@sesame/core-crypto";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { PASSWORD } from "../../helpers/home.ts";
import { rateOf } from "../samples.ts";
import { interleave, type Bench } from "../scenario.ts";
import { singleSyncRate } from "./durable.ts";

const PROFILE = "default";
const KEY_BYTES = 32;
const CALLS = 400;
const AT_ONCE = 32;
const SYNCS = 400;

/** `vault.unlock` of a locked vault, beside its Argon2id alone. */
export async function unlock(bench: Bench) {
  const home = await bench.home();
  const bus = await home.connect();
  const password = new TextEncoder().encode(PASSWORD);
  const salt = suite.randomBytes(16);
  const times = await interleave(bench.rounds, {
    unlock: async () => {
      await bus.call("vault.lock", { profile: PROFILE });
      return milliseconds(() => bus.call("vault.unlock", { profile: PROFILE, password }));
    },
    argon2id: () => milliseconds(() => suite.argon2id(password, salt, ARGON2_DEFAULT, KEY_BYTES)),
  });
  await bus.close();
  const share = times.unlock.map((ms, i) => (100 * (times.argon2id[i] ?? Number.NaN)) / ms);
  return {
    unlock: { ours: times.unlock, beside: { name: "Argon2id", values: times.argon2id } },
    "share of Argon2id": { ours: share },
  };
}

/** Secrets per second through the bus: sealed, durable, audited. */
export async function vault(bench: Bench) {
  const home = await bench.home();
  const bus = await home.connect();
  const value = Buffer.alloc(64, "v");
  const count = bench.count(CALLS);
  const set = (i: number) =>
    bus.call("secret.set", { profile: PROFILE, name: `bench/${i % AT_ONCE}`, value });
  const get = (i: number) =>
    bus.call("secret.get", { profile: PROFILE, name: `bench/${i % AT_ONCE}` });
  const dir = bench.directory();
  const rates = await interleave(bench.rounds, {
    setOne: () => rateOf(Math.max(count, AT_ONCE), 1, set),
    getOne: () => rateOf(count, 1, get),
    setMany: () => rateOf(count, AT_ONCE, set),
    getMany: () => rateOf(count, AT_ONCE, get),
    single: () => singleSyncRate(dir, bench.count(SYNCS)),
  });
  await bus.close();
  const beside = { name: "write+fdatasync", values: rates.single };
  return {
    "set, one at a time": { ours: rates.setOne, beside },
    "set, 32 at once": { ours: rates.setMany, beside },
    "get, one at a time": { ours: rates.getOne, beside },
    "get, 32 at once": { ours: rates.getMany, beside },
  };
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
