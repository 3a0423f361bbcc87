import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "@sesame/core-types";
import { readAlertConfig } from "./alert-config.ts";

const read = (text: string): unknown => readAlertConfig(Buffer.from(text), "alerts.json");

test("[ALERT-1] what is left out has its default", () => {
  assert.deepEqual(read('{"desktop":true}'), {
    least: "medium",
    actions: [],
    command: null,
    webhook: null,
    desktop: true,
  });
  const url = "https://example.org/hook";
  const webhook = { url, secretFile: "/s" };
  const given = { least: "low", actions: ["agent.enroll"], command: ["/bin/true", ""], webhook };
  assert.deepEqual(read(JSON.stringify(given)), { ...given, desktop: false });
});

const hook = (url: string): string => JSON.stringify({ webhook: { url, secretFile: "/s" } });
const REFUSED: readonly (readonly [string, string])[] = [
  ["nothing", ""],
  ["no object", "[]"],
  ["no place", "{}"],
  ["a place that is switched off", '{"desktop":false}'],
  ["an unknown member", '{"desktop":true,"dekstop":true}'],
  ["a member twice", '{"desktop":true,"desktop":true}'],
  ["an unknown severity", '{"desktop":true,"least":"none"}'],
  ["a severity of the prototype", '{"desktop":true,"least":"constructor"}'],
  ["an unknown kind", '{"desktop":true,"actions":["agent.enrol"]}'],
  ["a kind of the prototype", '{"desktop":true,"actions":["toString"]}'],
  ["actions that are no list", '{"desktop":true,"actions":"agent.enroll"}'],
  ["a word for yes", '{"desktop":"yes"}'],
  ["an empty command", '{"command":[]}'],
  ["a command by name", '{"command":["notify-send"]}'],
  ["a command in one text", '{"command":"/bin/true"}'],
  ["a number among the words", '{"command":["/bin/true",1]}'],
  ["a word with a zero byte", '{"command":["/bin/true","\\u0000"]}'],
  ["too many words", JSON.stringify({ command: Array.from({ length: 65 }, () => "/bin/true") })],
  ["a webhook without a secret", '{"webhook":{"url":"https://example.org/"}}'],
  ["a webhook with more", '{"webhook":{"url":"https://example.org/","secretFile":"/s","x":1}}'],
  ["a secret's relative path", '{"webhook":{"url":"https://example.org/","secretFile":"s"}}'],
  ["a webhook in clear", hook("http://example.org/hook")],
  ["a webhook in clear with a name like this machine's", hook("http://localhost.example.org/")],
  ["a webhook with a password", hook("https://user:password@example.org/")],
  ["another scheme", hook("file:///etc/passwd")],
  ["no address", hook("example.org")],
  ["too much", `{"desktop":true}${" ".repeat(16_384)}`],
];

for (const [what, text] of REFUSED)
  test(`[ALERT-1] refused: ${what}`, () => {
    // SECURITY: a mistyped configuration would send nothing, or send it to everybody.
    assert.throws(
      () => read(text),
      (cause) => cause instanceof Fault && cause.exit === "config",
    );
  });

test("[ALERT-4] in clear only to this machine", () => {
  for (const url of ["http://127.0.0.1:8080/", "http://[::1]/", "http://localhost/x"])
    assert.ok(read(hook(url)));
});
