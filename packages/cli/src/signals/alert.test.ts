import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { signatureOf } from "./alert.ts";

test("[ALERT-4] the signature covers the time and the body, as OpenSSL computes it", () => {
  // printf '%s' '1763000000.{"a":1}' | openssl dgst -sha256 -hmac key
  const mac = "705933d72da3da3d5a4b4c092c06591d39f4acec8a26cbb72d574fa6749dcc52";
  const key = Buffer.from("key");
  assert.equal(signatureOf(suite, key, 1_763_000_000, '{"a":1}'), `t=1763000000,v1=${mac}`);
  assert.ok(!signatureOf(suite, key, 1_763_000_001, '{"a":1}').endsWith(mac));
  assert.ok(!signatureOf(suite, key, 1_763_000_000, '{"a":2}').endsWith(mac));
});
