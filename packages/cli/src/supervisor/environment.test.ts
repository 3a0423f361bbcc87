import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { daemonEnvironment } from "./environment.ts";

const KEPT = `HOME XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR USER
  LOGNAME PATH LANG LANGUAGE LC_ALL LC_CTYPE LC_MESSAGES LC_TIME TZ`.split(/\s+/);

const DROPPED = `NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS NODE_COMPILE_CACHE NODE_V8_COVERAGE
  NODE_CHANNEL_FD NODE_DEBUG LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT GCONV_PATH LOCPATH OPENSSL_CONF
  SSLKEYLOGFILE SSL_CERT_FILE NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID LISTEN_FDS LISTEN_PID
  SESAME_READY_FD SESAME_PARENT_FD SESAME_PROFILES AWS_SECRET_ACCESS_KEY GITHUB_TOKEN PASSWORD
  SSH_AUTH_SOCK DISPLAY TERM TMPDIR PWD OLDPWD SHLVL BASH_ENV home Path __proto__`.split(/\s+/);

test("daemons get the table, and what decides over code or holds secrets is not in it", () => {
  // SECURITY: NODE_OPTIONS of one poisoned shell would load its code into the vault's daemon.
  const all = [...KEPT, ...DROPPED].map((name) => [name, `${name}'s value`]);
  const environment = Object.fromEntries(all) as Record<string, string>;
  const expected = Object.fromEntries(KEPT.map((name) => [name, `${name}'s value`]));
  assert.deepEqual(daemonEnvironment(environment), expected);
});

test("unset stays unset, empty stays empty", () => {
  assert.deepEqual(daemonEnvironment({ HOME: undefined, LANG: "" }), { LANG: "" });
});

test("no other name passes", () => {
  const table = new Set(KEPT);
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string()), (environment) => {
      for (const name of Object.keys(daemonEnvironment(environment))) assert.ok(table.has(name));
    }),
  );
});
