// An agent that lives on what it was given: it keeps its grants alive for as long as it works. Try
// it with the repository's Node, after `sesame grant create --to NAME --scope secret-list`.
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { openBus } from "@sesame/core-ipc/client";
import { holdGrants } from "@sesame/core-ipc/grants";

const as = process.argv[2] ?? "operator";
const work = new AbortController();
const alive = Promise.withResolvers<readonly string[]>();
const holding = holdGrants({
  connect: () => openBus({ suite, as }),
  signal: work.signal,
  held: alive.resolve,
  ended: (grant) => process.stderr.write(`${grant} has ended\n`),
});
const grants = await alive.promise;
process.stdout.write(`grants: ${grants.length}\n`);
const bus = await openBus({ suite, as });
const { secrets } = await bus.call("secret.list", { profile: "default" });
process.stdout.write(`secrets: ${secrets.map(({ name }) => name).join(", ")}\n`);
await bus.close();
work.abort();
await holding;
