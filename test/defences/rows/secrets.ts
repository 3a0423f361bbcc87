import { inFolder, rows, type Row } from "../row.ts";

const SECRETS = "packages/daemon-secrets/src";
const CRYPTO = "packages/core-crypto/src";
const VAULT = `${SECRETS}/vault/vault.ts`;
const at = inFolder(SECRETS);

/** Vaults, what opens them, and the boxes and envelopes that everything else lies in. */
export const SECRETS_KEPT: readonly Row[] = [
  ...rows(`${SECRETS}/io/tamper.test.ts`, `${SECRETS}/vault/open.ts`, [
    {
      title: "[VAULT-7] every edited field of a header is refused",
      defence: "a header is authentic under the master key",
      file: `${SECRETS}/vault/header.ts`,
      from: "return equalBytes(signed.mac, headerMac(suite, headerKey, signed.header));",
      to: "return headerMac(suite, headerKey, signed.header).length === signed.mac.length;",
    },
    {
      title: "[VAULT-8] an older header is refused once the database knows the newer one",
      defence: "a kept header brings no old password back",
      from: "head.headerRevision <= header.revision;",
      to: "head.headerRevision >= 0;",
    },
    {
      title: "[VAULT-15] every page of an older copy, put back alone, is refused",
      defence: "the rows of a vault are authentic as a whole",
      from: "equalBytes(mac, stateMac(suite, stateKey, head, [...secrets.values()])) &&",
      to: "mac.length === stateMac(suite, stateKey, head, [...secrets.values()]).length &&",
    },
    {
      title: "[VAULT-14] an entry of another course of events is refused in its own place",
      defence: "what is read is what the state in memory names",
      file: VAULT,
      from: "entry !== null && equalBytes(entry.tag, wanted.tag)",
      to: "entry !== null",
    },
  ]),
  ...rows(`${SECRETS}/vault/entry.test.ts`, `${SECRETS}/vault/entry.ts`, [
    {
      title: "[VAULT-12] and in no other",
      defence: "a value is bound to its place",
      from: "return cipher.open(entry.nonce, encode(placeSchema, place), sealed);",
      to: "return cipher.open(entry.nonce, encode(placeSchema, place).subarray(0, 0), sealed);",
      also: [
        {
          file: `${SECRETS}/vault/entry.ts`,
          from: "const sealed = cipher.seal(nonce, encode(placeSchema, place), value);",
          to: "const sealed = cipher.seal(nonce, encode(placeSchema, place).subarray(0, 0), value);",
        },
      ],
    },
  ]),
  ...rows(`${SECRETS}/vault/factors.test.ts`, `${SECRETS}/vault/factors.ts`, [
    {
      title: "[VAULT-6] a wrap opens only with its own vault, profile, factor id and cost",
      defence: "a wrap is bound to its vault",
      from: "return encode(wrapDataSchema, { vaultId, profile, kind, id, kdf });",
      to: "return encode(wrapDataSchema, { vaultId: vaultId.slice().fill(0), profile, kind, id, kdf });",
    },
  ]),
  ...rows(`${SECRETS}/vault/header.test.ts`, `${SECRETS}/vault/header.ts`, [
    {
      title: "[VAULT-5] costs out of bounds are refused by the parser",
      defence: "an edited header does not make the daemon allocate all memory",
      from: "header.factors.every((factor) => isArgon2Params(factor.kdf));",
      to: "header.factors.length < 9;",
    },
  ]),
  ...rows(...at("vault/throttle"), [
    {
      title: "[VAULT-24] whatever the clock does, a wait is 0 to 60 s and none is shorter than due",
      defence: "a wait is never shorter than due",
      from: "return Math.min(whole, Math.max(0, sinceMs + whole - nowMs));",
      to: "return Math.min(whole, Math.max(0, sinceMs + whole / 2 - nowMs));",
    },
  ]),
  ...rows(...at("io/throttles"), [
    {
      title: "[VAULT-24] wrong passwords make the next wait longer, the right one ends it",
      defence: "guessing takes longer each time",
      file: `${SECRETS}/vault/throttle.ts`,
      from: "Math.min(LONGEST_WAIT_MS, 1_000 * 2 ** (failures - 1));",
      to: "Math.min(LONGEST_WAIT_MS, 1_000);",
    },
    {
      title: "[VAULT-24] the wall clock has no say",
      defence: "whoever sets the clock gets no free tries",
      from: "return Math.ceil(waitMs(this.#throttle(profile), this.#clock.monotonicMs()));",
      to: "return Math.ceil(waitMs(this.#throttle(profile), this.#clock.wallMs()));",
    },
    {
      title: "[VAULT-25] a try counts before it is made, on disk",
      defence: "killing the daemon makes no try free",
      from: "storing(profile, () => replaceFile(this.#path(profile), throttleText(next)));",
      to: "void [replaceFile, throttleText];",
      fails: "ENOENT: no such file or directory",
    },
  ]),
  ...rows(`${SECRETS}/io/vaults.test.ts`, VAULT, [
    {
      title: "[VAULT-18] a deleted secret is gone, and its version numbers are not used again",
      defence: "version numbers are not used again",
      from: "const retired = Math.max(this.#head.retired, current.version);",
      to: "const retired = Math.min(this.#head.retired, current.version);",
    },
    {
      title: "[VAULT-19] an anchor never goes back",
      defence: "an anchor never goes back",
      from: "if (held !== null && held.sequence >= checkpoint.sequence) return false;",
      to: "",
    },
    {
      title: "[VAULT-23] after locking no key is left in the memory that was taken for secrets",
      defence: "locking wipes the keys",
      from: "wipe(this.#stateKey);\n",
      to: "",
    },
  ]),
  ...rows(...at("panic"), [
    {
      title: "[PANIC-4] a step that fails leaves it in force",
      defence: "a wrong password does not end a panic",
      from: "await proved();\n    expectSame();",
      to: "await proved().catch(() => undefined);\n    expectSame();",
    },
    {
      title: "[PANIC-4] lifting one does not end the one that began meanwhile",
      defence: "lifting one panic does not end the next with it",
      from: 'if (this.#begun !== begun) throw new Denial("panic");',
      to: "",
    },
    {
      title: "[PANIC-5] meeting the bus host spreads a panic either way, and never ends one",
      defence: "a lying bus host ends no panic",
      from: "if (!isHeldThere && this.held) await this.spread(tell);",
      to: "if (!isHeldThere && this.held) this.#options.mark.lift();",
    },
  ]),
  ...rows(...at("delegations"), [
    {
      title: "[TRUST-6] what did not get through is told again",
      defence: "a lost message hides no delegation from the bus",
      from: "      await tell(bus, changesOf(told, present));\n      this.#told = present;",
      to: "      this.#told = present;\n      await tell(bus, changesOf(told, present));",
      also: [
        {
          file: "packages/daemon-secrets/src/delegations.ts",
          from: "      this.#told = new Map([...told.keys(), ...present.keys()].map((id) => [id, UNKNOWN]));\n",
          to: "",
        },
      ],
    },
  ]),
  ...rows(...at("root-proof"), [
    {
      title: "[PANIC-7] the root key ends it by signing this challenge, on this session, here",
      defence: "a signature for another session ends nothing",
      from: "equalBytes(open.session, session) &&",
      to: "",
    },
    {
      title: "[PANIC-7] a challenge is answered once, in its time, while its panic holds",
      defence: "an answer that was overheard does not end the next panic",
      from: "const open = this.#open;\n    this.#open = null;",
      to: "const open = this.#open;",
    },
  ]),
  ...rows(`${CRYPTO}/totp.test.ts`, `${CRYPTO}/totp.ts`, [
    {
      title: "[TOTP-2] a code, and every earlier one, is good once",
      defence: "a code that was seen is not used again",
      from: "if (isCode && step > lastStep) matched = step;",
      to: "if (isCode && lastStep >= 0) matched = step;",
    },
  ]),
  ...rows(`${CRYPTO}/dsse.test.ts`, `${CRYPTO}/dsse.ts`, [
    {
      title: "[DSSE-1] no envelope with a flipped bit opens as another one",
      defence: "what is opened is what was signed",
      from: "signatures.some((signature) => suite.ed25519Verify(key, message, signature)),",
      to: "signatures.some((signature) => signature.length === 64 && message.length > key.length - 32),",
    },
    {
      title: "[DSSE-2] a signature for one type opens nothing as another",
      defence: "the signature covers the type",
      from: "if (type !== payloadType)",
      to: "if (false)",
    },
    {
      title: "[DSSE-3] without a trusted key, and with the wrong one, nothing opens",
      defence: "a missing list of keys does not mean that anybody may sign",
      from: "if (signers.length < threshold)",
      to: "if (signers.length < threshold && keys.length > 0)",
    },
    {
      title: "[DSSE-3] keys that are none, or more than may be trusted, are a fault and no verdict",
      defence: "a list of keys has a bound",
      from: "if (keys.length > MAX_TRUSTED_KEYS || keys.some",
      to: "if (keys.some",
    },
  ]),
  ...rows(`${CRYPTO}/sealed-box.test.ts`, `${CRYPTO}/sealed-box.ts`, [
    {
      title: "a wrong password or other associated data opens nothing",
      defence: "a box opens in its own place alone",
      from: "aead.open(header.subarray(NONCE_AT), join(header, ad), sealed),",
      to: "aead.open(header.subarray(NONCE_AT), header.subarray(0, 3), sealed),",
      also: [
        {
          file: `${CRYPTO}/sealed-box.ts`,
          from: "aead.seal(header.subarray(NONCE_AT), join(header, ad), secret),",
          to: "aead.seal(header.subarray(NONCE_AT), header.subarray(0, ad.length > 0 ? 3 : 3), secret),",
        },
      ],
    },
    {
      title: "a cost out of bounds is refused before anything is spent on it",
      defence: "a planted box does not make its reader compute for days",
      from: "if (tooLow || !isArgon2Params(params))",
      to: "if (tooLow || params.memoryKiB < 0 * Number(isArgon2Params(params)))",
    },
  ]),
  ...rows(`${CRYPTO}/pbkdf2-box.test.ts`, `${CRYPTO}/pbkdf2-box.ts`, [
    {
      title: "[KEYS-8] sizes and iterations out of bounds are refused before any work",
      defence: "a passphrase is not guessed cheaply",
      from: "isWithin(iterations, least, most) &&",
      to: "isWithin(iterations, 1, most + least) &&",
    },
  ]),
  ...rows(`${CRYPTO}/agreement.test.ts`, `${CRYPTO}/ed25519-strict.ts`, [
    {
      title: "Ed25519 refuses public keys of small order and of non-canonical form",
      defence: "no key lets anybody sign anything in its owner's name",
      from: "!hasSmallOrder(publicKey) &&",
      to: "",
    },
  ]),
];
