import { join } from "node:path";
import { afresh, relayParty, sesameParty, type Party } from "../parties.ts";
import { interleave, type Bench } from "../scenario.ts";

type Size = { readonly bytes: number; readonly count: number; readonly window: number };

const SMALL: Size = { bytes: 256, count: 40_000, window: 2_048 };
const LARGE: Size = { bytes: 4_096, count: 20_000, window: 512 };
const LONG: Size = { ...SMALL, count: 150_000 };
const FAN: Size = { bytes: 256, count: 10_000, window: 1_024 };
const SUBSCRIBERS = 10;

let topics = 0;

/**
 * Messages per second that arrive at one subscriber in another process. As in the peers bench, where
 * the target comes from, sender and receiver are fresh processes; `warm` ones have run before.
 */
export async function oneWay(bench: Bench) {
  const [sesame, relay] = [await sesameParty(bench), await relayParty(bench)];
  const measure = (size: Size) =>
    interleave(bench.rounds, {
      sesame: () => afresh(sesame, (party) => stream(bench, party, size, 1)),
      relay: () => afresh(relay, (party) => stream(bench, party, size, 1)),
    });
  const small = await measure(SMALL);
  const large = await measure(LARGE);
  const warm = await interleave(bench.rounds, {
    sesame: () => stream(bench, sesame, LONG, 1),
    relay: () => stream(bench, relay, LONG, 1),
  });
  return {
    "256 B": { ours: small.sesame, beside: { name: "plain relay", values: small.relay } },
    "256 B, warm": { ours: warm.sesame, beside: { name: "plain relay", values: warm.relay } },
    "4 KiB": { ours: large.sesame, beside: { name: "plain relay", values: large.relay } },
  };
}

/** Deliveries per second to ten connections of one process. */
export async function fanOut(bench: Bench) {
  const [sesame, relay] = [await sesameParty(bench), await relayParty(bench)];
  const rates = await interleave(bench.rounds, {
    sesame: () => stream(bench, sesame, FAN, SUBSCRIBERS),
    relay: () => stream(bench, relay, FAN, SUBSCRIBERS),
  });
  return {
    "256 B, 1 to 10": { ours: rates.sesame, beside: { name: "plain relay", values: rates.relay } },
  };
}

/** Lossless: the rate counts only if every subscriber got every message. */
async function stream(
  bench: Bench,
  { client, service, toClient, toService }: Party,
  { bytes, count: full, window }: Size,
  subscribers: number,
): Promise<number> {
  const count = bench.count(full);
  const topic = `bench/${topics++}`;
  const credit = join(bench.directory(), "credit");
  await service.do("connect", { to: toService, count: subscribers });
  await client.do("connect", { to: toClient, count: 1 });
  await service.do("receive", { topic, count, credit });
  const { startMs } = await client.do("send", { topic, count, credit, bytes, window });
  const { got, lastMs } = await service.do("received", undefined);
  if (got !== count * subscribers)
    throw new RangeError(`${got} of ${count * subscribers} messages arrived`);
  await service.do("disconnect", undefined);
  await client.do("disconnect", undefined);
  return (got / (lastMs - startMs)) * 1_000;
}
