import assert from "node:assert/strict";
import { test } from "node:test";
import { envelopeKeyId, openEnvelope, signEnvelope } from "@sesame/core-crypto/dsse";
import { nodeSuite } from "@sesame/core-crypto/node";
import { python, withoutModules } from "../helpers/debian-python.ts";

// securesystemslib, whose authors wrote DSSE, in Debian's python3-securesystemslib: its Ed25519 and
// its keys; the encoding that is signed is the ten lines of DSSE's protocol.md.

const skip = withoutModules("securesystemslib", "nacl");
const TYPE = "application/vnd.example+json";
// RFC 8032 §7.1, test 1.
const SEED = Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex");
const PUBLIC_KEY = nodeSuite.ed25519PublicKey(SEED);
const SIGNER = {
  publicKey: PUBLIC_KEY,
  sign: (message: Uint8Array) => nodeSuite.ed25519Sign(SEED, message),
};

const PAE = `
import base64, json, sys
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Signature, SSlibKey, SSlibSigner
def pae(kind, body):
    kind = kind.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)
def key(public, **more):
    return {"keytype": "ed25519", "scheme": "ed25519", "keyid": "0a",
            "keyval": dict(public=public, **more)}
given = json.load(sys.stdin)
`;

const VERIFY = `${PAE}
envelope = json.loads(given["envelope"])
body = base64.b64decode(envelope["payload"], validate=True)
known = SSlibKey.from_securesystemslib_key(key(given["public"]))
for item in envelope["signatures"]:
    signature = Signature("0a", base64.b64decode(item["sig"], validate=True).hex())
    try:
        known.verify_signature(signature, pae(envelope["payloadType"], body))
        print("good", body.hex())
    except UnverifiedSignatureError:
        print("bad")
`;

const SIGN = `${PAE}
body = bytes.fromhex(given["body"])
made = SSlibSigner(key(given["public"], private=given["seed"])).sign(pae(given["type"], body))
encode = base64.urlsafe_b64encode if given["urlsafe"] else base64.b64encode
print(json.dumps({
    "payloadType": given["type"],
    "payload": encode(body).decode(),
    "signatures": [{"keyid": made.keyid, "sig": encode(bytes.fromhex(made.signature)).decode()}],
}, indent=1))
`;

const BODIES = [Buffer.alloc(0), Buffer.from('{"ä":1}\n'), nodeSuite.randomBytes(3_000)];

function said(program: string, given: object): string {
  const { exit, out, err } = python(["-c", program], JSON.stringify(given));
  assert.equal(exit, 0, err);
  return out.trim();
}

test("what we sign, securesystemslib verifies, and not as another type", { skip }, () => {
  const known = Buffer.from(PUBLIC_KEY).toString("hex");
  for (const type of [TYPE, "application/vnd.exämple"])
    for (const body of BODIES) {
      const envelope = signEnvelope(type, body, [SIGNER]);
      const hex = Buffer.from(body).toString("hex");
      assert.equal(said(VERIFY, { envelope, public: known }), `good ${hex}`.trim());
      const swapped = envelope.replace('"payloadType":"', '"payloadType":"x');
      assert.equal(said(VERIFY, { envelope: swapped, public: known }), "bad");
    }
});

test("what securesystemslib signs, we open, in either alphabet, and not changed", { skip }, () => {
  const seed = SEED.toString("hex");
  const known = Buffer.from(PUBLIC_KEY).toString("hex");
  const trust = { payloadType: TYPE, keys: [PUBLIC_KEY] };
  for (const body of BODIES)
    for (const urlsafe of [false, true]) {
      const hex = Buffer.from(body).toString("hex");
      const text = said(SIGN, { body: hex, type: TYPE, public: known, seed, urlsafe });
      const opened = openEnvelope(nodeSuite, Buffer.from(text), trust);
      assert.deepEqual(opened, { payload: Buffer.from(body), signers: [PUBLIC_KEY] });
      const other = said(SIGN, { body: `${hex}00`, type: TYPE, public: known, seed, urlsafe });
      const mixed = { ...JSON.parse(text), payload: JSON.parse(other).payload } as object;
      assert.throws(() => openEnvelope(nodeSuite, Buffer.from(JSON.stringify(mixed)), trust), {
        code: "envelope-untrusted",
      });
    }
  assert.equal(envelopeKeyId(PUBLIC_KEY).length, 64);
});
