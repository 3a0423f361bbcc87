import { meet, relayParty, SERVICE, sesameParty, type Party } from "../parties.ts";
import { interleave, type Bench } from "../scenario.ts";

const COUNT = 100;

/** From connect to the first answer of a service, in a warm process. */
export async function handshake(bench: Bench) {
  const [sesame, relay] = [await sesameParty(bench), await relayParty(bench)];
  await meet(sesame);
  await meet(relay);
  const connect = ({ client, toClient: to }: Party) =>
    client.do("handshakes", { to, target: SERVICE, count: bench.count(COUNT) });
  const times = await interleave(bench.rounds, {
    sesame: () => connect(sesame),
    relay: () => connect(relay),
  });
  return {
    "connect to first answer": {
      ours: times.sesame,
      beside: { name: "plain relay", values: times.relay },
    },
  };
}
