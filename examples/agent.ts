// An AI agent that uses a secret which it cannot read: it has the launcher run a command, and gets
// what the command prints, with secrets taken out. docs/LAUNCHER.md
//
//   node examples/agent.ts NAME PROFILE /usr/bin/aws s3 ls
//
// NAME is its identity (`sesame agent enroll --kind ai`), with a grant that admits the command.
import { nodeSuite } from "@sesame/core-crypto/node";
import { openBus } from "@sesame/core-ipc/client";

const [as = "", profile = "", path = "", ...args] = process.argv.slice(2);
const bus = await openBus({ suite: nodeSuite, as });
const command = { path, args, directory: "/", plain: false };
const { ticket } = await bus.call("secret.use", { profile, names: null, grant: null, command });
const { run } = await bus.call("run.start", { ticket, command, files: [] });
await bus.call("run.write", { run, data: new Uint8Array(0), end: true });
for (;;) {
  const { output, errors, ended } = await bus.call("run.read", { run, waitMs: 5_000 });
  process.stdout.write(output);
  process.stderr.write(errors);
  if (ended === null) continue;
  process.exitCode = ended.code ?? 1;
  break;
}
await bus.close();
