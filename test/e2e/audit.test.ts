import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { blake3 } from "@noble/hashes/blake3.js";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { keyFileOf, loadInstallation, loadKeyFile } from "@sesame/core-ipc/daemon";
import { Home, PASSWORD } from "../helpers/home.ts";
import { killAll } from "../helpers/processes.ts";

/** The segments of a log, each as its lines. */
type Lines = string[][];

function segmentsOf(home: Home): string[] {
  return readdirSync(home.paths.audit)
    .filter((name) => name.endsWith(".jsonl"))
    .sort();
}

function readLog(home: Home): Lines {
  return segmentsOf(home).map((name) =>
    readFileSync(join(home.paths.audit, name), "utf8").trimEnd().split("\n"),
  );
}

/** Overwrites the files in place, as somebody with an editor does. */
function writeLog(home: Home, log: Lines): void {
  for (const name of segmentsOf(home).slice(log.length)) rmSync(join(home.paths.audit, name));
  for (const [i, lines] of log.entries()) {
    const name = `${String(i + 1).padStart(6, "0")}.jsonl`;
    writeFileSync(join(home.paths.audit, name), lines.map((line) => `${line}\n`).join(""));
  }
}

/**
 * Makes the chain fit again after an edit: docs/AUDIT.md, [AUDIT-4] and [AUDIT-5]. Checkpoints
 * are signed anew if there is a key to do it.
 */
function rechained(
  log: Lines,
  sign: ((statement: Buffer) => Uint8Array) | null,
  id: string,
): Lines {
  let prev = "0".repeat(64);
  let seq = 0;
  return log.map((lines) =>
    lines.map((line) => {
      seq++;
      const body = line.slice(0, line.lastIndexOf(',"hash":"'));
      let hashed = body
        .replace(/^\{"prev":"[0-9a-f]{64}"/, `{"prev":"${prev}"`)
        .replace(/"seq":\d+/, `"seq":${seq}`);
      if (sign !== null && hashed.includes('"control":{"type":"checkpoint"')) {
        const time = /"time":(\d+)/.exec(hashed)?.[1] ?? "0";
        const statement = Buffer.concat([
          Buffer.from("sesame audit checkpoint v1"),
          Buffer.from(id, "hex"),
          u64(seq - 1),
          Buffer.from(prev, "hex"),
          u64(Number(time)),
        ]);
        const signature = Buffer.from(sign(statement)).toString("hex");
        hashed = hashed.replace(/"signature":"[0-9a-f]+"/, `"signature":"${signature}"`);
      }
      prev = Buffer.from(blake3(Buffer.from(`sesame audit entry v1${hashed}`))).toString("hex");
      return `${hashed},"hash":"${prev}"}`;
    }),
  );
}

function u64(n: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(n));
  return bytes;
}

/** Leaves half an entry behind, as a crash in the middle of a write does. */
async function tearTail(home: Home): Promise<void> {
  await killAll(home);
  const last = segmentsOf(home).at(-1) ?? "";
  appendFileSync(join(home.paths.audit, last), '{"prev":"00');
  home.must(["unlock"], `${PASSWORD}\n`);
  home.must(["secret", "set", "after/the-crash"], "value\n");
}

describe("a log that somebody changed", () => {
  let home: Home;
  let genuine: Lines;
  /** A checkpoint that was printed and kept elsewhere. */
  let kept: string;

  before(async () => {
    home = await Home.ready();
    for (const name of ["a", "b", "c"]) home.must(["secret", "set", name], name);
    // Segments of 50 MB would take long; a crash begins a new one as well.
    await tearTail(home);
    await tearTail(home);
    kept = join(home.path, "kept.json");
    writeFileSync(kept, home.must(["audit", "checkpoint"]));
    home.must(["secret", "get", "a"]);
    genuine = readLog(home);
    assert.equal(genuine.length, 3);
  });

  after(async () => {
    await home[Symbol.asyncDispose]();
  });

  /** Verifies a changed log with what the vaults and `flags` know, then puts it right again. */
  function verify(change: (log: Lines) => Lines, flags: readonly string[] = []) {
    writeLog(home, change(structuredClone(genuine)));
    try {
      return home.run(["audit", "verify", ...flags]);
    } finally {
      writeLog(home, genuine);
    }
  }

  test("[AUDIT-30] an honest log is good, with its two gaps listed", () => {
    const { exit, out } = home.run(["audit", "verify", "--anchor", kept]);
    assert.equal(exit, 0, out);
    assert.match(out, /^OK$/m);
    assert.equal(out.match(/^gap at entry \d+: 11 bytes torn$/gm)?.length, 2);
    assert.equal(out.match(/^anchor at entry \d+: matches$/gm)?.length, 2);
  });

  // SECURITY: without detection, whoever may write the directory hides what was done.
  const changes: readonly [what: string, change: (log: Lines) => Lines, bad: RegExp][] = [
    [
      "an entry was edited",
      ([first = [], ...rest]) => [
        first.map((line, i) => (i === 5 ? line.replace('"outcome":"ok"', '"outcome":"no"') : line)),
        ...rest,
      ],
      /segment 1, line 6: /,
    ],
    [
      "an entry was edited with its own hash",
      (log) => {
        const [first = [], ...rest] = log;
        const other = first.map((line, i) => (i === 5 ? line.replace('"ok"', '"no"') : line));
        const [fresh = []] = rechained([other], null, "");
        return [[...first.slice(0, 5), fresh[5] ?? "", ...first.slice(6)], ...rest];
      },
      /segment 1, line 7: /,
    ],
    [
      "an entry was deleted",
      ([first = [], ...rest]) => [first.toSpliced(6, 1), ...rest],
      /segment 1, line 7: /,
    ],
    [
      "an entry was inserted",
      ([first = [], ...rest]) => [first.toSpliced(6, 0, first[4] ?? ""), ...rest],
      /segment 1, line 7: /,
    ],
    [
      "two entries were exchanged",
      ([first = [], ...rest]) => [first.toSpliced(4, 2, first[5] ?? "", first[4] ?? ""), ...rest],
      /segment 1, line 5: /,
    ],
    [
      "two segments were exchanged",
      ([first = [], second = [], third = []]) => [first, third, second],
      /segment 2, line 1: /,
    ],
    [
      "a segment was removed",
      ([first = [], , third = []]) => [first, third],
      /segment 2, line 1: /,
    ],
    [
      "an earlier segment lost its tail",
      ([first = [], ...rest]) => [first.slice(0, -1), ...rest],
      /segment 2, line 1: /,
    ],
    [
      "everything was chained anew without the signing key",
      (log) => rechained(edited(log), null, ""),
      /segment 1, line \d+: .*signature/,
    ],
    ["everything was removed", () => [], /there is no log/],
  ];
  for (const [what, change, bad] of changes)
    test(`[AUDIT-25] ${what}: named by segment and line`, () => {
      const { exit, out, err } = verify(change);
      assert.equal(exit, 76, out + err);
      assert.match(err, bad);
      assert.match(err, /hint: keep the directory as evidence/);
      assert.match(out, /not seen: nothing after the first bad entry was judged/);
    });

  function edited(log: Lines): Lines {
    const [first = [], ...rest] = log;
    return [first.toSpliced(5, 1, (first[5] ?? "").replace('"ok"', '"no"')), ...rest];
  }

  /** Up to and with the last checkpoint of the last segment but for the newest ones. */
  function cutBack(log: Lines): Lines {
    const [first = []] = log;
    return [first];
  }

  function signedAnew(log: Lines): Lines {
    const keys = loadKeyFile(suite, keyFileOf(home.paths, "daemon-profile"));
    const installation = loadInstallation(suite, home.paths.installation);
    assert.ok(keys !== null && installation !== null);
    const sign = (statement: Buffer): Uint8Array => suite.ed25519Sign(keys.signingSeed, statement);
    return rechained(edited(log), sign, installation.id.replaceAll("-", ""));
  }

  // SECURITY: a thief who cuts his own entries off the end would leave no trace.
  test("[AUDIT-27] a tail that was cut off contradicts the anchor in the vault", () => {
    const { exit, err } = verify(cutBack);
    assert.equal(exit, 76);
    assert.match(err, /the log ends here; an anchor saw entry \d+/);
  });

  // SECURITY: the daemon's key file alone would be enough to forge the past.
  test("[AUDIT-27] a log forged with the signing key contradicts the anchor in the vault", () => {
    const { exit, out, err } = verify(signedAnew);
    assert.equal(exit, 76);
    assert.match(out, /^anchor at entry \d+: contradicts$/m);
    assert.match(err, /an anchor saw another entry here: the log was rewritten/);
  });

  test("[AUDIT-31] without an anchor both pass, and the output says that they would", async () => {
    // Anchors lie in the vaults, and these are locked from here on.
    await killAll(home);
    for (const change of [cutBack, signedAnew]) {
      const { exit, out } = verify(change);
      assert.equal(exit, 0, out);
      assert.match(out, /^not seen: no anchor outside the log was given/m);
      assert.match(out, /rewritten together with the signing key, or cut back/);
    }
  });

  test("[AUDIT-27] a checkpoint that was kept elsewhere finds both", () => {
    for (const [change, bad] of [
      [cutBack, /the log ends here; an anchor saw entry/],
      [signedAnew, /an anchor saw another entry here/],
    ] as const) {
      const { exit, err } = verify(change, ["--anchor", kept]);
      assert.equal(exit, 76);
      assert.match(err, bad);
    }
  });

  // SECURITY: a forged anchor could make an honest log look forged, or lend weight to a forged one.
  test("[AUDIT-27] an anchor that nobody signed is named", () => {
    const forged = join(home.path, "forged.json");
    const { hash, ...checkpoint } = JSON.parse(readFileSync(kept, "utf8")) as { hash: string };
    writeFileSync(
      forged,
      JSON.stringify({
        ...checkpoint,
        hash: hash.replace(/^./, (digit) => (digit === "f" ? "0" : "f")),
      }),
    );
    const { exit, out, err } = home.run(["audit", "verify", "--anchor", forged]);
    assert.equal(exit, 76);
    assert.match(out, /^anchor at entry \d+: not signed$/m);
    assert.match(err, /an anchor does not match/);
  });

  // SECURITY: a daemon that began a new log would hide that the old one was damaged.
  test("[AUDIT-24] a daemon that finds its log damaged releases nothing and says so", async () => {
    await killAll(home);
    writeLog(home, genuine.slice(0, 1).concat(genuine.slice(2)));
    rmSync(join(home.paths.audit, "000001.jsonl"));
    const left = readLog(home);
    const { exit, err } = home.run(["unlock"], `${PASSWORD}\n`);
    assert.equal(exit, 76);
    assert.match(err, /the audit log is damaged, so nothing is released/);
    assert.match(home.must(["status"]), /NOT WRITABLE/);
    assert.equal(home.run(["audit", "verify"]).exit, 76);
    assert.deepEqual(readLog(home), left);
  });
});

// A limit on the size of files makes writes fail like a full disk, in part and then wholly; unlike
// permissions it binds root too, and it needs no right to mount.
function limitFiles(home: Home, bytes: number | null): void {
  const pid = home.pidOf("daemon-profile");
  const limit = bytes === null ? "unlimited" : `${bytes}:unlimited`;
  const { status, stderr } = spawnSync("prlimit", ["--pid", `${pid}`, `--fsize=${limit}`]);
  assert.equal(status, 0, String(stderr));
}

/** Makes the log larger than the pages of key memory, which the limit binds too. */
async function lengthen(home: Home): Promise<void> {
  const bus = await home.connect();
  for (let n = 0; n < 150; n++) await bus.call("secret.get", { profile: "default", name: "a" });
  await bus.close();
}

test("a log that cannot be written releases no secret, and heals without a restart", async () => {
  // SECURITY: secrets could be read without a trace by filling the disk first.
  await using home = await Home.ready();
  home.must(["secret", "set", "a"], "old");
  await lengthen(home);
  const pid = home.pidOf("daemon-profile");
  const log = join(home.paths.audit, "000001.jsonl");
  limitFiles(home, statSync(log).size + 10);
  const untouched = readFileSync(log, "utf8");

  const marker = join(home.path, "marker");
  const refused: readonly [args: string[], input?: string][] = [
    [["secret", "get", "a"]],
    [["secret", "set", "a"], "new"],
    [["secret", "delete", "a", "--yes"]],
    [["export"]],
    [["env", "--", "touch", marker]],
    [["profile", "create", "b"], "password\n"],
  ];
  for (const [args, input] of refused) {
    const { exit, out, err } = home.run(args, input ?? "");
    assert.equal(exit, 74, `${args.join(" ")}: ${out}${err}`);
    assert.equal(out, "");
    assert.match(err, /the audit log cannot be written/);
    assert.match(err, /hint: free space/);
  }
  const { error } = JSON.parse(home.run(["secret", "get", "a", "--json"]).err) as {
    error: { code: string; exit: number };
  };
  assert.deepEqual([error.code, error.exit], ["audit-unavailable", 74]);
  assert.throws(() => statSync(marker), { code: "ENOENT" });
  const status = home.json(["status"]) as { auditWritable: boolean };
  assert.equal(status.auditWritable, false);
  assert.match(home.must(["status"]), /NOT WRITABLE: no secrets are released/);
  assert.equal(readFileSync(log, "utf8"), untouched);

  limitFiles(home, null);
  assert.equal(home.must(["secret", "get", "a"]), "old");
  assert.match(home.must(["status"]), /audit log {2}writable/);
  assert.equal(home.pidOf("daemon-profile"), pid);
  assert.equal(home.run(["audit", "verify"]).exit, 0);
});

test("lock locks even while the log cannot be written, and says both", async () => {
  await using home = await Home.ready();
  home.must(["secret", "set", "a"], "old");
  await lengthen(home);
  limitFiles(home, statSync(join(home.paths.audit, "000001.jsonl")).size + 10);
  const { exit, err } = home.run(["lock"]);
  assert.equal(exit, 74);
  assert.match(err, /locked.*not on record/);
  limitFiles(home, null);
  assert.equal(home.run(["secret", "get", "a"]).exit, 79);
});

test("[AUDIT-32] tail -f shows entries as they are made", { timeout: 60_000 }, async (t) => {
  await using home = await Home.ready();
  const tail = home.start(["audit", "tail", "-f", "-n", "1", "--json"]);
  t.after(() => tail.kill());
  assert.ok(tail.stdout !== null);
  const lines = createInterface({ input: tail.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<{ seq: number; action: string }> => {
    const { value } = (await lines.next()) as { value: string };
    return JSON.parse(value) as { seq: number; action: string };
  };
  // It follows once it has shown what was there.
  let last = await next();
  for (const [args, action] of [
    [["secret", "set", "a"], "secret.set"],
    [["secret", "get", "a"], "secret.get"],
    [["lock"], "vault.lock"],
  ] as const) {
    home.must(args, "value");
    for (let shown = ""; shown !== action;) {
      const entry = await next();
      assert.equal(entry.seq, last.seq + 1);
      last = entry;
      shown = entry.action;
    }
  }
  const gone = once(tail, "exit");
  tail.kill("SIGINT");
  assert.deepEqual(await gone, [0, null]);
});
