import assert from "node:assert/strict";
import { test } from "node:test";
import { Denial } from "@sesame/core-types";
import { environmentOf } from "./environment.ts";

const USER = { name: "me", home: "/home/me" };
const bytes = (text: string): Uint8Array => Buffer.from(text);
const given = (secrets: Readonly<Record<string, string | Uint8Array>>) => ({
  profile: "work",
  secrets: Object.entries(secrets).map(([name, value]) => ({
    name,
    value: typeof value === "string" ? bytes(value) : value,
  })),
});

function refused(secrets: Parameters<typeof given>[0]): string {
  try {
    environmentOf(USER, "m", given(secrets), []);
  } catch (cause) {
    assert.ok(cause instanceof Denial && cause.code === "secret-unusable");
    return cause.detail;
  }
  return "";
}

test("[RUN-7] a program gets the launcher's environment and the secrets, nothing else", () => {
  // SECURITY: a variable of the caller's choice loads its code into the program that has the secret.
  const { variables, files } = environmentOf(USER, "id/run", given({ "db/pass-word": "x" }), []);
  assert.deepEqual(variables, {
    HOME: "/home/me",
    USER: "me",
    LOGNAME: "me",
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
    TERM: "dumb",
    SESAME_RUN: "id/run",
    DB_PASS_WORD: "x",
  });
  assert.deepEqual(files, []);
});

test("[RUN-7] names that change how programs run are refused, as `env` refuses them", () => {
  for (const name of ["ld-preload", "path", "node/options", "aws-endpoint-url", "sesame/run"])
    assert.match(refused({ [name]: "x" }), /may not set/, name);
  assert.match(refused({ "a/b": "1", "a-b": "2" }), /would both be A_B/);
  assert.match(refused({ a: "x\0y" }), /binary-unsafe/);
  assert.match(refused({ a: Uint8Array.of(0xff) }), /binary-unsafe/);
  assert.match(refused({ a: "x".repeat(140_000) }), /too long/);
});

test("[RUN-8] a file is asked for by the name of a secret that is given", () => {
  // SECURITY: with a slip in its name the secret would lie in the environment all the same.
  assert.throws(
    () => environmentOf(USER, "m", given({ "gcp/credentials": "x" }), ["gcp/credential"]),
    (cause) => cause instanceof Denial && cause.code === "secret-unusable",
  );
});

test("[RUN-8] what goes into a file is not in the environment, and may be any bytes", () => {
  const secrets = given({ "gcp/credentials": Uint8Array.of(0, 255), b: "y" });
  const { variables, files } = environmentOf(USER, "m", secrets, ["gcp/credentials"]);
  assert.equal(variables["GCP_CREDENTIALS"], undefined);
  assert.equal(variables["B"], "y");
  assert.deepEqual(files, [{ variable: "GCP_CREDENTIALS", value: Uint8Array.of(0, 255) }]);
});
