import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "@sesame/core-types";
import { pathsFrom } from "./paths.ts";

const HOME = "/home/u";
const RUN = "/run/user/1000";

test("[TRANSPORT-2] the socket lies in the user's runtime directory", () => {
  const paths = pathsFrom({ HOME, XDG_RUNTIME_DIR: RUN });
  assert.equal(paths.socket, "/run/user/1000/pds/bus.sock");
  assert.equal(paths.installation, "/home/u/.config/pds/installation/installation.toml");
  assert.equal(paths.log, "/home/u/.local/state/pds/daemons.log");
});

test("XDG variables move the files; relative ones are ignored", () => {
  const env = { HOME, XDG_RUNTIME_DIR: RUN, XDG_CONFIG_HOME: "/c", XDG_STATE_HOME: "rel" };
  const paths = pathsFrom(env);
  assert.equal(paths.vaults, "/c/pds/vaults");
  assert.equal(paths.state, "/home/u/.local/state/pds");
});

test("[TRANSPORT-2] without a runtime directory there is no socket, and none in /tmp", () => {
  // SECURITY: in a shared directory another user could be there first, and be taken for the bus.
  let path: string;
  try {
    path = pathsFrom({ HOME, XDG_RUNTIME_DIR: "relative" }).socket;
  } catch (cause) {
    assert.ok(cause instanceof Fault);
    assert.equal(cause.exit, "config");
    return;
  }
  assert.equal(path, `/run/user/${process.getuid?.()}/pds/bus.sock`);
});

test("[TRANSPORT-2] a path that no socket address can hold is refused, not cut", () => {
  const env = { HOME, XDG_RUNTIME_DIR: `/${"x".repeat(95)}` };
  assert.throws(() => pathsFrom(env), { name: "Fault", exit: "config" });
  pathsFrom({ HOME, XDG_RUNTIME_DIR: `/${"x".repeat(93)}` });
});
