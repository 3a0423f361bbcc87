// node home.ts [PLAIN.ENV]: makes a home that outlives this process and prints where it is. With a
// file of NAME=value lines the daemons run and profiles work, work1, work10 and work100 hold all,
// the first, the first ten and the first hundred of them; else the daemons are stopped.
import { readFileSync } from "node:fs";
import { Home, PASSWORD } from "../../helpers/home.ts";

const [file] = process.argv.slice(2);
const home = await Home.ready([{ name: "bench-client" }, { name: "bench-service" }]);
if (file === undefined) home.must(["daemon", "stop"]);
else await fill(readFileSync(file, "utf8").trim().split("\n"));
const { path, env, paths } = home;
process.stdout.write(JSON.stringify({ path, env, socket: paths.socket }));

async function fill(lines: readonly string[]): Promise<void> {
  const bus = await home.connect();
  const password = new TextEncoder().encode(PASSWORD);
  const profiles = { work: lines.length, work1: 1, work10: 10, work100: 100 };
  for (const [profile, count] of Object.entries(profiles)) {
    await bus.call("profile.create", { profile });
    await bus.call("vault.create", { profile, password });
    for (const line of lines.slice(0, count)) {
      const [name = "", ...value] = line.split("=");
      await bus.call("secret.set", { profile, name, value: Buffer.from(value.join("=")) });
    }
  }
  await bus.close();
}
