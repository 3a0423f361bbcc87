// PEERS_EXTRA of the peers bench: our bus, in a home that is removed at the end.
import { rmSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { DAEMON, here, makeHome, NODE } from "./sesame.mjs";

// The driver looks for adapters in its own folder, so ours is named by the way there.
const driver = join(dirname(process.argv[1]), "node", "driver.mjs");
const adapter = relative(join(dirname(driver), "adapters"), here("adapters/sesame"));
const { path, env, socket } = makeHome();
process.on("exit", () => rmSync(path, { recursive: true, force: true }));

// oxlint-disable-next-line import/no-default-export -- the form that the bench asks for
export default [
  {
    id: "sesame",
    what: "our bus, Noise IK on every connection",
    enc: "hop",
    daemon: [NODE, DAEMON],
    env,
    listen: socket,
    addr: socket,
    cenv: env,
    drivers: [{ id: "node:sesame", cmd: [NODE, driver, adapter] }],
  },
];
