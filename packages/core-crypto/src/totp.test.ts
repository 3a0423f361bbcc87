import assert from "node:assert/strict";
import { test } from "node:test";
import { base32, matchTotp, totpCode, totpStep, TOTP_STEP_MS, totpUri } from "./totp.ts";

const SECRET = Buffer.from("12345678901234567890");

test("[TOTP-1] the codes of RFC 6238, appendix B, and RFC 4226, appendix D", () => {
  for (const [seconds, code] of [
    [59, "94287082"],
    [1_111_111_109, "07081804"],
    [1_111_111_111, "14050471"],
    [1_234_567_890, "89005924"],
    [2_000_000_000, "69279037"],
    [20_000_000_000, "65353130"],
  ] as const)
    assert.equal(totpCode(SECRET, totpStep(seconds * 1_000), 8), code);
  const counted = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489";
  assert.equal(
    counted.split(" ").every((code, i) => totpCode(SECRET, i) === code),
    true,
  );
});

test("[TOTP-1] a code is good for its step and its neighbours", () => {
  const step = 1_000;
  const code = totpCode(SECRET, step);
  for (const [at, expected] of [
    [step - 2, null],
    [step - 1, step],
    [step, step],
    [step + 1, step],
    [step + 2, null],
  ] as const)
    assert.equal(matchTotp(SECRET, code, at * TOTP_STEP_MS, 0), expected);
  for (const bad of ["", "12345", "1234567", "١٢٣٤٥٦", `${code} `, "0x1234"])
    assert.equal(matchTotp(SECRET, bad, step * TOTP_STEP_MS, 0), null);
});

test("[TOTP-2] a code, and every earlier one, is good once", () => {
  // SECURITY: who looks over a shoulder would use the code again within its minute.
  const step = 1_000;
  const now = step * TOTP_STEP_MS;
  assert.equal(matchTotp(SECRET, totpCode(SECRET, step), now, step), null);
  assert.equal(matchTotp(SECRET, totpCode(SECRET, step - 1), now, step), null);
  assert.equal(matchTotp(SECRET, totpCode(SECRET, step + 1), now, step), step + 1);
});

test("base32 is that of RFC 4648, §10, without padding; the address names it", () => {
  const words = ["", "f", "fo", "foo", "foob", "fooba", "foobar"];
  const coded = ["", "MY", "MZXQ", "MZXW6", "MZXW6YQ", "MZXW6YTB", "MZXW6YTBOI"];
  assert.deepEqual(
    words.map((word) => base32(Buffer.from(word))),
    coded,
  );
  assert.equal(
    totpUri(SECRET, "work"),
    "otpauth://totp/Sesame:work?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" +
      "&issuer=Sesame&algorithm=SHA1&digits=6&period=30",
  );
});
