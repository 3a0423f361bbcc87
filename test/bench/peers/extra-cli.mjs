// PEERS_EXTRA_CLI of the peers bench: the command, with daemons that hold the bench's secrets.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { makeHome, SESAME } from "./sesame.mjs";

const run = process.env.PEERS_RUN ?? "/tmp/sesame-peers";
const env = {};
let home = null;

// oxlint-disable-next-line import/no-default-export -- the form that the bench asks for
export default [
  {
    id: "sesame",
    state: "daemon unlocked",
    crypto: "SQLCipher 4 + AES-256-GCM; Noise IK end to end",
    need: SESAME,
    e: env,
    up: async () => {
      home = makeHome(join(run, "secrets", "plain.env"));
      Object.assign(env, home.env);
    },
    down: async () => {
      if (home === null) return;
      execFileSync(SESAME, ["daemon", "stop"], { env: home.env, stdio: "ignore" });
      rmSync(home.path, { recursive: true, force: true });
    },
    get: [SESAME, "secret", "get", "-p", "work", "KEY_050"],
    inject: (n, command) => [SESAME, "env", "-p", `work${n}`, "--", ...command],
  },
];
