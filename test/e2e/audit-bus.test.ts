import assert from "node:assert/strict";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { tailAudit, verifyAudit } from "@sesame/core-audit";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import type { BusClient } from "@sesame/core-ipc/client";
import { keyFileOf, identityOf, requireInstallation } from "@sesame/core-ipc/daemon";
import { fromHex } from "@sesame/core-types";
import { busChanges, busFiles } from "../../packages/cli/src/io/bus-log.ts";
import { Home } from "../helpers/home.ts";

describe("the audit log through the bus", () => {
  let home: Home;
  let bus: BusClient;

  before(async () => {
    home = await Home.ready([{ name: "ci", kind: "ai" }]);
    bus = await home.connect();
  });

  after(async () => {
    await bus.close();
    await home[Symbol.asyncDispose]();
  });

  test("[AUDIT-33] it verifies as its files do", async () => {
    const installation = requireInstallation(suite, home.paths);
    const report = await verifyAudit("", {
      suite,
      installationId: fromHex(installation.id.replaceAll("-", "")) ?? new Uint8Array(16),
      publicKey: identityOf(installation, "daemon-profile").signingKey,
      anchors: [],
      files: busFiles(bus),
    });
    assert.equal(report.ok, true);
    const { entries } = home.json(["audit", "verify"]) as { entries: number };
    assert.ok(report.entries > 5);
    assert.equal(report.entries, entries);
  });

  test("[AUDIT-33] a reader hears of every further entry", async () => {
    const ended = new AbortController();
    const entries = tailAudit("", {
      count: 1,
      follow: true,
      signal: ended.signal,
      files: busFiles(bus),
      watch: (signal) => busChanges(bus, signal),
    });
    let last = (await entries.next()).value?.seq ?? 0;
    for (let n = 0; n < 3; n++) {
      home.must(["lock"]);
      for (let action = ""; action !== "vault.lock";) {
        const { value } = await entries.next();
        assert.ok(value);
        assert.equal(value.seq, last + 1);
        last = value.seq;
        action = value.action;
      }
    }
    const over = entries.next();
    ended.abort();
    assert.equal((await over).done, true);
  });

  // SECURITY: whoever may read the log would read the daemon's other files, and files of others.
  test("[AUDIT-33] nothing but the log is handed out", async () => {
    const { audit, keys } = home.paths;
    writeFileSync(join(audit, "notes.txt"), "not the log");
    mkdirSync(join(audit, "000009.jsonl"));
    symlinkSync(keyFileOf({ keys }, "daemon-profile"), join(audit, "torn-9.bin"));
    const names = ["notes.txt", "torn-9.bin", "000009.jsonl", "../profiles/profiles.json"];
    for (const name of [...names, keyFileOf({ keys }, "daemon-profile"), "."]) {
      const read = bus.call("audit.read", { name, offset: 0, length: 4096 });
      const got = await read.then(({ bytes }) => bytes.length).catch(() => "refused");
      assert.ok(got === 0 || got === "refused", `${name}: ${got}`);
    }
    const { files } = await bus.call("audit.files", {});
    assert.deepEqual(
      files.map(({ name }) => name),
      ["000001.jsonl"],
    );
  });

  // SECURITY: an agent would learn who else is served, when, and with which secrets.
  test("[AUDIT-33] it takes the right to read it", async () => {
    const agent = await home.connect("ci");
    const refused = { code: "capability-missing" };
    await assert.rejects(agent.call("audit.files", {}), refused);
    const first = { name: "000001.jsonl", offset: 0, length: 1 };
    await assert.rejects(agent.call("audit.read", first), refused);
    await agent.close();
  });
});
