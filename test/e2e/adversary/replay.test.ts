import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { nodeSuite as suite } from "@sesame/core-crypto/node";
import { identityOf, requireInstallation } from "@sesame/core-ipc/daemon";
import { decode, encode, MESSAGES, VAULT_OWNER } from "@sesame/core-types";
import { readDenial, readSealedBody } from "../../../packages/core-ipc/src/bus/dispatcher.ts";
import { SealedCaller } from "../../../packages/core-ipc/src/seal/sealed-caller.ts";
import { recorded } from "../../helpers/audit-log.ts";
import { Home } from "../../helpers/home.ts";
import { freshId, RawClient, type Received } from "../../helpers/raw-client.ts";

const { tag, level, params, result } = MESSAGES["secret.set"];
let home: Home;

before(async () => {
  home = await Home.ready([{ name: "rival", clearance: "secrets-only", capabilities: ["admin"] }]);
});

after(async () => home[Symbol.asyncDispose]());

function assertRefused({ header, payload }: Received): void {
  assert.equal(header.type, "denial");
  assert.equal(readDenial(payload).code, "seal-invalid");
}

test("[SEAL-3] a sealed call that was overheard is worth nothing on the real bus", async () => {
  // SECURITY: whoever got hold of one sealed call could repeat it, or make it its own.
  const { noiseKey } = identityOf(requireInstallation(suite, home.paths), VAULT_OWNER);
  const operator = await RawClient.connect(home.paths, "operator");
  const rival = await RawClient.connect(home.paths, "rival");
  const caller = new SealedCaller(suite, operator.keys, noiseKey);
  const versions: number[] = [];
  for (const form of ["fresh", "continued"]) {
    const id = freshId();
    const body = encode(params, { profile: "default", name: "a", value: Buffer.from(form) });
    const request = caller.seal({ session: operator.session, id, tag }, body);
    assert.equal(request.continued, form === "continued");
    const { payload } = await operator.ask({ id, tag, level }, request.payload);
    const opened = request.open(payload);
    assert.ok(opened !== null);
    versions.push(decode(result, readSealedBody(opened)).version);

    assertRefused(await operator.ask({ id, tag, level }, request.payload));
    assertRefused(await operator.ask({ tag, level }, request.payload));
    const deletion = MESSAGES["secret.delete"].tag;
    assertRefused(await operator.ask({ id, tag: deletion }, request.payload));
    assertRefused(await rival.ask({ id, tag, level }, request.payload));
    assertRefused(await rival.ask({ tag, level }, request.payload));
  }
  assert.deepEqual(versions, [1, 2]);
  const bus = await home.connect();
  const { secrets } = await bus.call("secret.list", { profile: "default" });
  assert.deepEqual(
    secrets.map(({ version }) => version),
    [2],
  );
  await bus.close();
  operator.close();
  rival.close();
  for (const outcome of ["refused:seal-replayed", "refused:seal-not-authentic"])
    await recorded(home, outcome, (entry) => entry.outcome === outcome);
});
