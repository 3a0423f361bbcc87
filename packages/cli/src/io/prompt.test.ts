import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { text } from "node:stream/consumers";
import { test } from "node:test";

/**
 * Runs a program on a new terminal: for each step waits for a text, then types bytes or sends a
 * signal. Prints what the terminal showed, what stdout got, how it ended, and whether the terminal
 * echoed at the first step and after the end.
 */
const DRIVER = `
import base64, fcntl, json, os, pty, select, subprocess, sys, termios
steps, argv = json.loads(sys.argv[1]), sys.argv[2:]
master, slave = pty.openpty()
def own():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
def echoes():
    return bool(termios.tcgetattr(slave)[3] & termios.ECHO)
before = termios.tcgetattr(slave)
child = subprocess.Popen(argv, stdin=slave, stderr=slave, stdout=subprocess.PIPE, preexec_fn=own)
shown, at, during = b"", 0, None
for step in steps:
    expected = step["expect"].encode()
    while shown.find(expected, at) < 0:
        shown += os.read(master, 4096)
    at = shown.find(expected, at) + len(expected)
    if during is None: during = echoes()
    if "signal" in step: os.kill(child.pid, step["signal"])
    typed = base64.b64decode(step.get("type", ""))
    while typed: typed = typed[os.write(master, typed[:1000]):]
out = child.stdout.read()
status = child.wait()
while select.select([master], [], [], 0)[0]:
    shown += os.read(master, 4096)
print(json.dumps({"shown": shown.decode("latin1"), "out": out.decode(), "status": status,
  "during": during, "restored": termios.tcgetattr(slave) == before}))
`;

interface Step {
  readonly expect: string;
  readonly type?: string | Uint8Array;
  readonly signal?: number;
}

interface Ending {
  readonly shown: string;
  readonly out: string;
  readonly status: number;
  /** The terminal echoed while the first question was open. */
  readonly during: boolean;
  readonly restored: boolean;
}

const MODULE = new URL("./prompt.ts", import.meta.url).href;

function program(call: string): string[] {
  const source = `
    import { choose, confirm, promptHidden, promptNewPassword } from ${JSON.stringify(MODULE)};
    try {
      const answer = await ${call};
      console.log(answer.buffer ? "hex:" + Buffer.from(answer).toString("hex") : answer);
    } catch (error) {
      console.log(error.exit + ": " + error.message);
    }`;
  return [process.execPath, "--input-type=module", "--eval", source];
}

async function onTerminal(call: string, steps: readonly Step[]): Promise<Ending> {
  const encoded = steps.map((step) => {
    return { ...step, type: Buffer.from(step.type ?? "").toString("base64") };
  });
  const driver = spawn("python3", ["-c", DRIVER, JSON.stringify(encoded), ...program(call)], {
    stdio: ["ignore", "pipe", "inherit"],
    // A program that never asks must fail the test, not hang it.
    timeout: 30_000,
  });
  return JSON.parse(await text(driver.stdout)) as Ending;
}

async function onPipe(call: string, input: string): Promise<string> {
  const [command = "", ...rest] = program(call);
  const child = spawn(command, rest, { stdio: ["pipe", "pipe", "ignore"] });
  child.stdin.end(input);
  const [out] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return out.trim();
}

function hex(answer: string | Uint8Array): string {
  return `hex:${Buffer.from(answer).toString("hex")}\n`;
}

test("a hidden prompt shows the question only, and leaves the terminal as it was", async () => {
  // SECURITY: whoever looks over the shoulder or at a recorded terminal would read the password.
  const ended = await onTerminal(`promptHidden("Password: ")`, [
    { expect: "Password: ", type: "p'ä€ ß\r" },
  ]);
  assert.equal(ended.out, hex("p'ä€ ß"));
  assert.equal(ended.shown, "Password: \r\n");
  assert.equal(ended.during, false);
  assert.equal(ended.restored, true);
  assert.equal(ended.status, 0);
});

test("after a hidden prompt the terminal echoes again, in the same program", async () => {
  const ended = await onTerminal(`(await promptHidden("? "), confirm("Sure?"))`, [
    { expect: "? ", type: "hidden\r" },
    { expect: "[y/N] ", type: "yes\n" },
  ]);
  assert.equal(ended.shown, "? \r\nSure? [y/N] yes\r\n");
  assert.equal(ended.out, "true\n");
});

test("backspace removes a character and Ctrl-U the line", async () => {
  const ended = await onTerminal(`promptHidden("? ")`, [
    { expect: "? ", type: "wrong\u{15}ab€\u{7f}\u{7f}c\r" },
  ]);
  assert.equal(ended.out, hex("ac"));
});

test("any bytes can be typed, valid UTF-8 or not", async () => {
  const bytes = Uint8Array.from({ length: 256 - 0x80 }, (_, index) => 0x80 + index);
  const ended = await onTerminal(`promptHidden("? ")`, [
    { expect: "? ", type: Buffer.concat([bytes, Buffer.from("\r")]) },
  ]);
  assert.equal(ended.out, hex(bytes));
});

for (const [key, name] of [
  ["\u{3}", "Ctrl-C"],
  ["\u{4}", "Ctrl-D on an empty line"],
] as const) {
  test(`${name} stops with the terminal restored`, async () => {
    const ended = await onTerminal(`promptHidden("? ")`, [{ expect: "? ", type: key }]);
    assert.equal(ended.out, "interrupted: stopped at the prompt\n");
    assert.equal(ended.restored, true);
  });
}

test("SIGINT from elsewhere stops with the terminal restored", async () => {
  const ended = await onTerminal(`promptHidden("? ")`, [{ expect: "? ", signal: 2 }]);
  assert.equal(ended.out, "interrupted: stopped at the prompt\n");
  assert.equal(ended.restored, true);
});

for (const signal of [1, 3, 15]) {
  test(`signal ${signal} ends the program, with the terminal restored`, async () => {
    const ended = await onTerminal(`promptHidden("? ")`, [{ expect: "? ", signal }]);
    assert.equal(ended.status, -signal);
    assert.equal(ended.restored, true);
  });
}

test("a line beyond 4096 bytes is refused, never cut", async () => {
  const ended = await onTerminal(`promptHidden("? ")`, [
    { expect: "? ", type: `${"x".repeat(4097)}\r` },
  ]);
  assert.equal(ended.out, "data: the line is longer than 4096 bytes\n");
  assert.equal(ended.restored, true);
});

test("a line of 4096 bytes passes", async () => {
  const ended = await onTerminal(`promptHidden("? ")`, [
    { expect: "? ", type: `${"x".repeat(4096)}\r` },
  ]);
  assert.equal(ended.out, hex("x".repeat(4096)));
});

test("a new password is asked for twice, also when both lines are typed ahead", async () => {
  const ended = await onTerminal(`promptNewPassword("New: ", "Again: ")`, [
    { expect: "New: ", type: "geheim\rgeheim\r" },
  ]);
  assert.equal(ended.out, hex("geheim"));
  assert.equal(ended.shown, "New: \r\nAgain: \r\n");
  assert.equal(ended.restored, true);
});

test("two different passwords, and an empty one, are refused", async () => {
  const call = `promptNewPassword("New: ", "Again: ")`;
  const differ = await onTerminal(call, [
    { expect: "New: ", type: "one\r" },
    { expect: "Again: ", type: "onf\r" },
  ]);
  assert.equal(differ.out, "data: the two passwords differ\n");
  assert.equal(differ.restored, true);
  const longer = await onTerminal(call, [{ expect: "New: ", type: "one\rone \r" }]);
  assert.equal(longer.out, "data: the two passwords differ\n");
  const empty = await onTerminal(call, [{ expect: "New: ", type: "\r" }]);
  assert.equal(empty.out, "data: an empty password is refused\n");
});

test("without a terminal the first line of stdin is the answer", async () => {
  assert.equal(
    `${await onPipe(`promptHidden("? ")`, "pass word \r\nmore\n")}\n`,
    hex("pass word "),
  );
  assert.equal(await onPipe(`promptHidden("? ")`, ""), "unavailable: there was nothing on stdin");
  assert.equal(`${await onPipe(`promptNewPassword("a", "b")`, "x")}\n`, hex("x"));
  assert.equal(
    await onPipe(`promptNewPassword("a", "b")`, "\n"),
    "data: an empty password is refused",
  );
});

test("two questions read two lines of stdin", async () => {
  const call = `Buffer.concat([await promptHidden("a"), await promptHidden("b")])`;
  assert.equal(`${await onPipe(call, "one\ntwo\n")}\n`, hex("onetwo"));
});

test("a confirmation is no unless it says yes", async () => {
  for (const [answer, expected] of [
    ["y\n", "true"],
    ["YES\n", "true"],
    ["yes", "true"],
    ["\n", "false"],
    ["", "false"],
    ["no\n", "false"],
    ["yesterday\n", "false"],
    ["n\ny\n", "false"],
  ] as const) {
    assert.equal(await onPipe(`confirm("Delete?")`, answer), expected, answer);
  }
  const ended = await onTerminal(`confirm("Delete?")`, [{ expect: "[y/N] ", type: "y\r" }]);
  assert.equal(ended.out, "true\n");
  assert.match(ended.shown, /^Delete\? \[y\/N\] /);
});

test("[APPROVE-9] what was typed before a question was shown does not answer it", async () => {
  // SECURITY: an agent asks for two secrets at once; the second Enter of whoever approves the first
  // one would approve the other, unseen.
  const told = `await new Promise((go) => {
    const alive = setInterval(() => undefined, 1_000);
    process.once("SIGUSR2", () => go(clearInterval(alive)));
    process.stderr.write("go ");
  })`;
  for (const [ask, answer] of [
    [`choose("which? ")`, ""],
    [`confirm("sure?")`, "false"],
  ] as const) {
    const ended = await onTerminal(`(${told}, ${ask})`, [
      // A line, and one that has no end yet: the echo says that the terminal has them.
      { expect: "go ", type: "yes\ny" },
      { expect: "yes\r\ny", signal: constants.signals.SIGUSR2 },
      { expect: ask.startsWith("choose") ? "which? " : "[y/N] ", type: "\n" },
    ]);
    assert.equal(ended.out, `${answer}\n`);
    assert.equal(ended.restored, true);
  }
});
