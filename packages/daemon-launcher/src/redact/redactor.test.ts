import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { patternsOf } from "./patterns.ts";
import { Redactor } from "./redactor.ts";

type Secrets = Readonly<Record<string, string | Uint8Array>>;

/** What of a text is shown, with the text cut at the given places. */
function shown(secrets: Secrets, text: string | Uint8Array, cuts: readonly number[] = []): string {
  const patterns = Object.entries(secrets).flatMap(([name, value]) =>
    patternsOf(name, typeof value === "string" ? Buffer.from(value) : value),
  );
  const redactor = new Redactor(patterns);
  const bytes = Buffer.from(text as string);
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const parts = [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length));
  const out = Buffer.concat([...parts.map((part) => redactor.push(part)), redactor.end()]);
  return out.toString("latin1");
}

const TOKEN = "sk-live/Hx8+q9?=&~é";

const FORMS: Readonly<Record<string, (value: string) => string>> = {
  literal: (value) => value,
  base64: (value) => Buffer.from(value).toString("base64"),
  base64url: (value) => Buffer.from(value).toString("base64url"),
  "hex, lower case": (value) => Buffer.from(value).toString("hex"),
  "hex, upper case": (value) => Buffer.from(value).toString("hex").toUpperCase(),
  "URL component": encodeURIComponent,
  "URL component, lower case": (value) =>
    encodeURIComponent(value).replaceAll(/%../g, (code) => code.toLowerCase()),
  "every byte percent-encoded": (value) =>
    Buffer.from(value).toString("hex").replaceAll(/../g, "%$&"),
  "HTML form": (value) => new URLSearchParams({ x: value }).toString().slice(2),
  JSON: (value) => JSON.stringify(value).slice(1, -1),
  "JSON in ASCII": (value) =>
    JSON.stringify(value)
      .slice(1, -1)
      .replaceAll(
        /[^\0-\x7f]/g,
        (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
      ),
};

test("[RUN-13] a secret is taken out in every form, however the stream is cut", () => {
  // SECURITY: what is left in the output is what the agent reads.
  for (const [form, encode] of Object.entries(FORMS)) {
    const text = `before ${encode(TOKEN)} after`;
    for (let cut = 0; cut <= text.length; cut += 1)
      assert.match(
        shown({ token: TOKEN }, text, [cut]),
        /^before \[redacted token\]=* after$/,
        `${form}, cut at ${cut}`,
      );
    const single = Array.from({ length: text.length + 8 }, (_, i) => i);
    assert.match(
      shown({ token: TOKEN }, text, single),
      /^before \[redacted token\]=* after$/,
      form,
    );
  }
});

test("[RUN-13] base64 is found wherever the secret lies in what was encoded", () => {
  // SECURITY: `printf x$TOKEN | base64` moves every bit of the secret.
  for (const before of ["", "x", "xy", "user:", "a longer text: "])
    for (const after of ["", "z", "zz", "\n"])
      for (const encoding of ["base64", "base64url"] as const) {
        const text = Buffer.from(before + TOKEN + after).toString(encoding);
        const out = shown({ token: TOKEN }, text, [7]);
        assert.match(out, /\[redacted token\]/, text);
        const rest = out.replace("[redacted token]", "").replaceAll("=", "");
        const own = Math.ceil((before.length * 8) / 6) + Math.ceil((after.length * 8) / 6);
        assert.ok(rest.length <= own, `${text}: ${out}`);
      }
});

test("[RUN-13] lines may be broken within encoded secrets", () => {
  const long = "correct horse battery staple, and so on and so forth: 0123456789";
  const wrapped = (text: string, width: number, end: string): string =>
    text.replaceAll(new RegExp(`.{${width}}`, "g"), `$&${end}`);
  for (const encoding of ["base64", "hex"] as const)
    for (const width of [4, 16, 60, 64, 76])
      for (const end of ["\n", "\r\n"]) {
        const text = wrapped(Buffer.from(`xy${long}`).toString(encoding), width, end);
        for (const cut of [1, 5, 30, 61, 62, 63, 80])
          assert.doesNotMatch(shown({ long }, text, [cut]), /[A-Za-z0-9]{8}(?![^[]*\])/, text);
      }
});

test("[RUN-13] what is cut anywhere is redacted as in one piece, and never shows a secret", () => {
  const secret = fc.oneof(
    fc.string({ minLength: 4, maxLength: 12, unit: fc.constantFrom("a", "b", "%", "+", "2") }),
    fc.string({ unit: "grapheme", minLength: 4, maxLength: 200 }),
    fc.constantFrom(TOKEN, "aaaa", "abab", "%252", "a%2b%2B"),
  );
  const form = fc.constantFrom(...Object.values(FORMS));
  const filler = fc.string({ unit: fc.constantFrom("a", "b", "%", "2", " ", "\n"), maxLength: 12 });
  fc.assert(
    fc.property(
      fc.array(secret, { minLength: 1, maxLength: 3 }),
      fc.array(fc.tuple(filler, form), { minLength: 1, maxLength: 4 }),
      fc.array(fc.nat(2_000), { maxLength: 20 }),
      (values, parts, cuts) => {
        const secrets = Object.fromEntries(values.map((value, i) => [`S${i}`, value]));
        const encoded = parts.map(([before, encode], i) => [
          before,
          encode(values[i % values.length] ?? ""),
        ]);
        const text = encoded.flat().join("");
        const whole = shown(secrets, text);
        assert.equal(shown(secrets, text, cuts), whole);
        const rest = whole.replaceAll(/\[redacted S\d\]/g, "\0");
        for (const value of values) {
          const trimmed = value.trim();
          if (Buffer.byteLength(trimmed) >= 4)
            assert.ok(!rest.includes(Buffer.from(trimmed).toString("latin1")), whole);
        }
      },
    ),
    { numRuns: 400 },
  );
});

test("[RUN-13] overlapping secrets leave nothing of either", () => {
  assert.equal(shown({ A: "abcdef", B: "defghi" }, "xabcdefghix"), "x[redacted A]x");
  assert.equal(shown({ A: "abcd", B: "abcdefgh" }, "xabcdefghx"), "x[redacted B]x");
  assert.equal(shown({ A: "aaaa" }, "aaaaaa"), "[redacted A]");
  assert.equal(shown({ A: "aaaa" }, "aaaaaaaa", [4]), "[redacted A]");
  assert.equal(shown({ A: "abcd" }, "abcd-abcd"), "[redacted A]-[redacted A]");
});

test("[RUN-13] long secrets and each of their lines are taken out", () => {
  const line = (i: number): string => Buffer.alloc(48, i).toString("base64");
  const pem = `-----BEGIN KEY-----\n${[1, 2, 3, 4, 5].map(line).join("\n")}\n-----END KEY-----\n`;
  assert.match(shown({ pem }, pem, [100, 200]), /^\[redacted pem\]\n*$/);
  assert.equal(shown({ pem }, `  ${line(3)}\n`), "  [redacted pem]\n");
  const plain = (text: string): string => text.replaceAll("[redacted pem]", "");
  assert.ok(plain(shown({ pem }, Buffer.from(pem).toString("base64"))).length < 8);
  assert.ok(plain(shown({ pem }, JSON.stringify(pem), [70])).length < 10);
  const binary = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 7 + 128) & 255));
  assert.equal(shown({ binary }, binary, [100]), "[redacted binary]");
  assert.ok(
    !/[0-9a-f]{4}/.test(
      plain(shown({ binary }, binary.toString("hex"))).replaceAll(/\[.*?\]/g, ""),
    ),
  );
});

test("[RUN-14] secrets of fewer than four bytes stay, everything else passes unchanged", () => {
  assert.equal(shown({ pin: "123" }, "pin 123"), "pin 123");
  assert.equal(shown({ pin: "1234" }, "pin 1234"), "pin [redacted pin]");
  assert.equal(shown({ pin: "\n1234\n" }, "pin 1234"), "pin [redacted pin]", "without its blanks");
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(300)), (bytes, cuts) => {
      const bare = bytes.map((byte) => (byte === 0x73 ? 0 : byte));
      const secrets = { s: "ssssssss" };
      if (!Buffer.from(bare).toString("latin1").includes("%7"))
        assert.equal(shown(secrets, bare, cuts), Buffer.from(bare).toString("latin1"));
    }),
  );
});

test("[RUN-15] no more is held back than the longest form of a piece", () => {
  // SECURITY: a program could make the launcher hold everything that it prints.
  const redactor = new Redactor(patternsOf("s", Buffer.from("a".repeat(1_000))));
  let held = 0;
  for (let i = 0; i < 5_000; i += 1) {
    held += 1 - redactor.push(Buffer.from("6")).length;
    assert.ok(held < 1_000);
  }
  for (let i = 0; i < 2_000; i += 1) redactor.push(Buffer.from("6161\n"));
});

test("what is looked for can be forgotten", () => {
  const redactor = new Redactor(patternsOf("s", Buffer.from("abcdefgh")));
  redactor.push(Buffer.from("abcd"));
  redactor.destroy();
  assert.equal(Buffer.from(redactor.push(Buffer.from("abcdefgh"))).toString(), "abcdefgh");
});
