import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { openEnvelope } from "@sesame/core-crypto/dsse";
import { EXPORT_TYPE } from "@sesame/core-audit";
import { loadInstallation } from "@sesame/core-ipc/daemon";
import { python, withoutModules } from "../helpers/debian-python.ts";
import { eventually } from "../helpers/eventually.ts";
import { Home, PASSWORD } from "../helpers/home.ts";

const VERIFIER = fileURLToPath(new URL("../../docs/verify-export.py", import.meta.url));
const skip = withoutModules("nacl");

type Facts = {
  readonly file: string;
  readonly from: number;
  readonly to: number;
  readonly exporterKey: string;
  readonly writerKeys: readonly string[];
};

describe("an export of the running suite's log", () => {
  let home: Home;

  before(async () => {
    home = await Home.ready();
    for (const name of ["a", "b", "c"]) home.must(["secret", "set", name], name);
  });

  after(async () => {
    await home[Symbol.asyncDispose]();
  });

  function exported(name: string, ...args: string[]): Facts {
    return home.json(["audit", "export", "--out", join(home.path, name), ...args]) as Facts;
  }

  test("[AUDIT-36] the verifier in Python accepts it, all of it signed", { skip }, () => {
    const { file, from, to, exporterKey, writerKeys } = exported("all.json");
    const { exit, out, err } = python(["-B", VERIFIER, file, exporterKey, writerKeys.join(",")]);
    assert.equal(exit, 0, err);
    assert.match(out, new RegExp(`^GOOD: entries 1 to ${to}, signed in the log up to ${to}$`, "m"));
    assert.equal(from, 1);
    const text = readFileSync(file, "utf8").replace(/"payload":"eyJ2/, '"payload":"eyJ3');
    writeFileSync(join(home.path, "changed.json"), text);
    const changed = join(home.path, "changed.json");
    assert.equal(python(["-B", VERIFIER, changed, exporterKey, writerKeys.join(",")]).exit, 1);
  });

  test("its keys are those of the signed record, and the vault's anchor is in it", () => {
    const { file, exporterKey, writerKeys } = exported("keys.json");
    const identities = loadInstallation(suite, home.paths.installation)?.identities ?? [];
    const keyOf = (name: string): Uint8Array => {
      const key = identities.find((identity) => identity.name === name)?.signingKey;
      assert.ok(key !== undefined);
      return key;
    };
    assert.equal(Buffer.from(keyOf("operator")).toString("hex"), exporterKey);
    assert.deepEqual([Buffer.from(keyOf("daemon-profile")).toString("hex")], writerKeys);
    const { payload } = openEnvelope(suite, readFileSync(file), {
      payloadType: EXPORT_TYPE,
      keys: [keyOf("operator")],
    });
    const [head = ""] = Buffer.from(payload).toString("utf8").split("\n");
    const { anchors } = JSON.parse(head) as { anchors: { profile: string }[] };
    assert.deepEqual(
      anchors.map(({ profile }) => profile),
      ["default"],
    );
    assert.equal(statSync(file).mode & 0o777, 0o600);
  });

  test("a part; never over a file that exists; and what makes no sense is refused", () => {
    const { from, to } = exported("part.json", "--from", "3", "--to", "4");
    assert.ok(from === 3 && to >= 4);
    const again = ["audit", "export", "--out", join(home.path, "part.json")];
    assert.equal(home.run(again).exit, 73);
    assert.equal(home.run(["audit", "export", "--from", "9", "--to", "3"]).exit, 64);
    assert.equal(home.run(["audit", "export", "--from", "0"]).exit, 64);
    assert.equal(home.run(["audit", "export", "--from", "100000"]).exit, 66);
    assert.match(home.must(["audit", "export"]), /^\{"payload":"[\w+/=]+","payloadType":"appl/);
  });

  test("[AUDIT-38] checkpoints flow into a file as they are made, and verify", async (t) => {
    const kept = join(home.path, "kept.jsonl");
    const lines = (): string[] => readFileSync(kept, "utf8").split("\n").slice(0, -1);
    writeFileSync(kept, "", { mode: 0o600 });
    const following = home.start(["audit", "checkpoint", "--follow", "--to", kept]);
    t.after(() => following.kill());
    await eventually("the first checkpoint", () => lines().length === 1 || null);
    home.must(["secret", "set", "d"], "d");
    home.must(["audit", "checkpoint"]);
    await eventually("the second checkpoint", () => lines().length === 2 || null);
    const gone = once(following, "exit");
    following.kill("SIGTERM");
    assert.deepEqual(await gone, [0, null]);
    assert.match(home.must(["audit", "verify", "--anchor", kept]), /^OK$/m);
    assert.equal(home.run(["audit", "checkpoint", "--to", kept]).exit, 64);
  });

  test("[AUDIT-35] without daemons it works; of a changed log only the report is shown", () => {
    home.must(["daemon", "stop"]);
    assert.ok(exported("stopped.json").to > 1);
    const log = join(home.paths.audit, "000001.jsonl");
    const genuine = readFileSync(log, "utf8");
    writeFileSync(log, genuine.replace('"action":"secret.set"', '"action":"secret.get"'));
    const out = join(home.path, "bad.json");
    const { exit, out: said } = home.run(["audit", "export", "--json", "--out", out]);
    assert.equal(exit, 76);
    const report = JSON.parse(said) as { ok: boolean; firstBad: { reason: string } };
    assert.equal(report.ok, false);
    assert.match(report.firstBad.reason, /it was changed/);
    assert.throws(() => statSync(out), { code: "ENOENT" });

    const verified = home.run(["audit", "verify", "--json"]);
    assert.equal(verified.exit, 76);
    assert.equal(verified.err, "");
    // Of blocks, verify also says whether their evidence is there.
    assert.deepEqual(JSON.parse(verified.out), { ...report, evidence: [] });
    writeFileSync(log, genuine);
    home.must(["unlock"], `${PASSWORD}\n`);
  });
});
