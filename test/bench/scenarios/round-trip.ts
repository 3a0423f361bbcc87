import { echoParty, meet, relayParty, SERVICE, sesameParty, type Party } from "../parties.ts";
import { interleave, type Bench, type Measured } from "../scenario.ts";

const COUNT = 4_000;
const SMALL = 256;
const LARGE = 4_096;

type Times = { readonly p50: number; readonly p99: number };

/** Client, bus, service, bus, client: three processes. */
export async function roundTrip(bench: Bench) {
  const [sesame, relay, echo] = [
    await sesameParty(bench),
    await relayParty(bench),
    await echoParty(bench),
  ];
  await meet(sesame);
  await meet(relay);
  await echo.client.do("connect", { to: echo.toClient, count: 1 });
  const ask = ({ client }: Party, bytes: number): Promise<Times> =>
    client.do("roundTrips", { target: SERVICE, bytes, count: bench.count(COUNT) });
  const measure = (bytes: number) =>
    interleave(bench.rounds, {
      sesame: () => ask(sesame, bytes),
      relay: () => ask(relay, bytes),
      echo: () => ask(echo, bytes),
    });
  const small = await measure(SMALL);
  const large = await measure(LARGE);
  return {
    "256 B, p50": beside("relay", "p50", small.sesame, small.relay),
    "256 B, p99": beside("relay", "p99", small.sesame, small.relay),
    "256 B, p50 to echo": beside("echo", "p50", small.sesame, small.echo),
    "4 KiB, p50": beside("relay", "p50", large.sesame, large.relay),
    "4 KiB, p99": beside("relay", "p99", large.sesame, large.relay),
    "4 KiB, p50 to echo": beside("echo", "p50", large.sesame, large.echo),
  };
}

function beside(
  name: string,
  which: keyof Times,
  ours: readonly Times[],
  theirs: readonly Times[],
): Measured {
  return {
    ours: ours.map((times) => times[which]),
    beside: { name: `plain ${name}`, values: theirs.map((times) => times[which]) },
  };
}
