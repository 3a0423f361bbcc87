// One process of the scenario `confinement`: a Unix socket to itself, with or without what daemons
// do to confine themselves. Prints "ready", then its figures as JSON.
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { nodeRules, restrictSyscalls, sandboxEnvironment, sandboxExec } from "@sesame/native";

const [mode = "", folder = "", count = "0"] = process.argv.slice(2);
const root = new URL("../..", import.meta.url).pathname;

if (mode === "confined")
  sandboxExec({
    rules: [
      ...nodeRules(),
      { path: root, access: "read" },
      { path: folder, access: "read-write-create" },
    ],
    argv: [process.execPath, "--no-warnings", import.meta.filename, "entered", folder, count],
    env: sandboxEnvironment(),
  });

const server = createServer((socket) => socket.pipe(socket));
server.listen(join(folder, `${process.pid}.sock`));
await once(server, "listening");
const client = connect(join(folder, `${process.pid}.sock`));
await once(client, "connect");
if (mode === "entered") restrictSyscalls("bus");
process.stdout.write("ready\n");

const message = Buffer.alloc(256);
const start = performance.now();
for (let i = 0; i < Number(count); i++) {
  client.write(message);
  await once(client, "data");
}
const perMessageUs = ((performance.now() - start) * 1_000) / Number(count);
process.stdout.write(`${JSON.stringify({ perMessageUs })}\n`);
client.destroy();
server.close();
