import { inFolder, rows, type Row } from "../row.ts";

const INSTALL = "packages/core-ipc/src/install";
const IO = "packages/core-ipc/src/io";
const at = inFolder(INSTALL);

/** Who belongs to an installation, by which keys, and what an owner keeps of it. */
export const INSTALLATION: readonly Row[] = [
  ...rows(...at("certified"), [
    {
      title: "[ENROL-25] a token lets in what the record says of it, and nothing else",
      defence: "a token gives no kind of its holder's choice",
      from: 'if (kind !== token.kind) return "token-kind";',
      to: "",
    },
    {
      title: "[ENROL-25] a token lets in what the record says of it, and nothing else",
      defence: "a token gives no clearance of its holder's choice",
      from: 'if (!dominates(token.clearance, clearance)) return "token-clearance";',
      to: "",
    },
    {
      title: "[ENROL-25] what comes in has what the token gives, and of that what it declared",
      defence: "what comes in has the token's capabilities at most",
      from: "const capabilities = declared(token.capabilities, wants);",
      to: 'const capabilities = declared([...token.capabilities, "admin"], wants);',
    },
    {
      title: "[ENROL-25] a token lets in as many as it says, and the same one once",
      defence: "a token for one lets in one",
      from: 'if (token.admitted.length >= token.uses) return "token-spent";',
      to: "",
    },
    {
      title: "[ENROL-20] names and keys of others are not taken",
      defence: "nobody comes in with another's key",
      from: 'if ([noiseKey, signingKey].some((one) => this.#keys.has(toHex(one)))) return "key-taken";',
      to: "",
    },
    {
      title: "[ENROL-20] names and keys of others are not taken",
      defence: "nobody comes in under another's name",
      from: 'if (this.#names.has(name.toLowerCase())) return "name-taken";',
      to: "",
    },
    {
      title: "[ENROL-20] both signatures are needed, each by its own key",
      defence: "half a certificate is none",
      file: `${INSTALL}/certificate.ts`,
      from: "const isSigned = signers.every((key, i) => {",
      to: "const isSigned = signers.some((key, i) => {",
    },
    {
      title: "[ENROL-26] what came in by a token and was revoked does not come in again",
      defence: "whoever kept a certificate brings nobody back",
      from: 'if (token.admitted.includes(id)) return "token-used";',
      to: "",
    },
    {
      title: "[ENROL-30] the present key of an active identity alone gives it new keys",
      defence: "a suspended identity gives itself no new keys",
      from: 'if (identity.state !== "active") return "suspended";',
      to: "",
    },
    {
      title:
        "[ENROL-30] a rotation is taken when it is made, not later and not before the present keys",
      defence: "a rotation that nobody used lapses",
      from: "if (Math.abs(nowMs - madeMs) > limits.ROTATION_WINDOW_MS || madeMs < identity.keyedMs)",
      to: "if (madeMs < identity.keyedMs)",
    },
    {
      title: "[ENROL-21] [ENROL-25] [ENROL-26] no order of events lets in more, or anybody back",
      defence: "whom a token let in is counted",
      from: "this.#tokens.set(toHex(key), { ...token, admitted: [...token.admitted, id] });",
      to: "",
    },
  ]),
  ...rows(...at("enrolment"), [
    {
      title: "[ENROL-7] the fingerprint covers everything that is asked for",
      defence: "the operator compares all that is asked for",
      from: "return suite.blake2s(Buffer.concat([FINGERPRINT, encode(applicantSchema, applicant)]));",
      to: 'return suite.blake2s(\n    Buffer.concat([FINGERPRINT, encode(applicantSchema, { ...applicant, clearance: "open" })]),\n  );',
    },
    {
      title: "[ENROL-1] what is signed differs with the session and with every field",
      defence: "a proof is worth nothing on another connection",
      from: "return Buffer.concat([PROOF, session, encode(applicantSchema, applicant)]);",
      to: "return Buffer.concat([PROOF, session.subarray(16), encode(applicantSchema, applicant)]);",
    },
  ]),
  ...rows(...at("foreign-key"), [
    {
      title: "[KEYS-7] a public key that is not the seed's is refused, as are other sizes",
      defence: "a stated public key is compared, never trusted",
      from: "if (stated.length === 0 || equalBytes(stated, suite.ed25519PublicKey(seed))) return seed;",
      to: "if (stated.length >= 0) return seed;",
    },
  ]),
  ...rows(...at("installation"), [
    {
      title: "[INSTALL-1] a record that is too large to be read again is not written",
      defence: "many guests do not leave the user without an installation",
      from: "if (content.length > MAX_BYTES)",
      to: "if (false)",
    },
    {
      title: "[INSTALL-1] a record with any byte changed is refused",
      defence: "the record is signed by the root key",
      from: "if (!isSigned)\n    throw",
      to: "if (!isSigned && installation === null)\n    throw",
    },
  ]),
  ...rows(...at("key-file"), [
    {
      title: "[INSTALL-2] [KEYS-1] a key file that others may read is refused",
      defence: "a key file that others may read is none",
      from: "if ((found.mode & 0o077) !== 0)",
      to: "if (false)",
    },
    {
      title: "[KEYS-1] so is one in a directory that others may enter, or one of somebody else",
      defence: "nobody puts keys of its own in the place of others",
      from: '[dirname(path), "700"],',
      to: "",
    },
    {
      title: "[INSTALL-2] a damaged key file is refused at every byte",
      defence: "a changed secret key is found",
      file: `${INSTALL}/key-format.ts`,
      from: "if (!equalBytes(file.subarray(end), suite.blake2s(file.subarray(0, end)))) return null;",
      to: "",
    },
    {
      title: "[INSTALL-3] a key file is never overwritten",
      defence: "keys are never written over",
      from: "return createFile(path, file) ? keys : null;",
      to: "replaceFile(path, file);\n    return keys;",
    },
  ]),
  ...rows(`${INSTALL}/key-passphrase.test.ts`, `${INSTALL}/key-format.ts`, [
    {
      title: "[KEYS-2] other keys are never replaced",
      defence: "keys that came meanwhile are not written over",
      file: `${INSTALL}/key-file.ts`,
      from: "if (present === null || !equalBytes(present, publicKeysOf(keys)))",
      to: "if (present === null)",
    },
    {
      title: "[KEYS-3] a forged file with a fitting checksum is not opened",
      defence: "what stands before the box is authenticated with it",
      from: "return await unwrapWithPassword(suite, passphrase, box, header, LEAST_COST);",
      to: "return await unwrapWithPassword(suite, passphrase, box, PLAIN, LEAST_COST);",
      also: [
        {
          file: `${INSTALL}/key-format.ts`,
          from: "await wrapWithPassword(suite, passphrase, secrets, header);",
          to: "await wrapWithPassword(suite, passphrase, secrets, PLAIN);",
        },
      ],
    },
    {
      title: "[KEYS-4] a cost out of bounds is refused without being paid",
      defence: "a box of a cheap cost is not opened",
      from: "const LEAST_COST = { memoryKiB: 65_536, passes: 3 };",
      to: "const LEAST_COST = { memoryKiB: 0, passes: 0 };",
    },
  ]),
  ...rows(...at("membership"), [
    {
      title: "[ENROL-8] a name, a Noise key and a signing key are one identity's",
      defence: "two identities do not share a key",
      from: 'if (ofName(identities, name) !== null) throw new Denial("name-taken", name);\n  expectFree(identities, identity);',
      to: 'if (ofName(identities, name) !== null) throw new Denial("name-taken", name);',
    },
    {
      title: "[KEYS-21] stolen keys end with all before them, whatever the clock says later",
      defence: "who stole a key that was rotated before does not go on",
      from: "if (untilMs <= nowMs) return { ...identity, ...keys, keyedMs: nowMs, former: ended(left) };",
      to: "",
    },
  ]),
  ...rows(...at("own-keys"), [
    {
      title: "[KEYS-19] the present keys come first, former ones after them until their dates",
      defence: "a clock that is set back brings no stolen key back",
      from: "this.#latestMs = Math.max(this.#latestMs, this.#wallMs());",
      to: "this.#latestMs = this.#wallMs();",
    },
    {
      title: "[ENROL-9] a record that names keys which the daemon does not have is refused",
      defence: "another's keys are not signed for the daemon's",
      from: "return keysIn(this.#suite, this.#directory, own.noiseKey) !== null;",
      to: "return keysIn(this.#suite, this.#directory, own.noiseKey) !== undefined;",
    },
  ]),
  ...rows(...at("paths"), [
    {
      title: "[TRANSPORT-2] without a runtime directory there is no socket, and none in /tmp",
      defence: "nobody listens in a shared directory",
      from: "?? loginDirectory();",
      to: '?? loginDirectory() ?? "/tmp";',
    },
  ]),
  ...rows(...at("record-in-force"), [
    {
      title:
        "[ENROL-13] an older record is refused while the daemon runs, and when it starts again",
      defence: "an old record brings no revoked identity back",
      file: `${INSTALL}/record-mark.ts`,
      from: 'return serial < mark.serial ? "older" : null;',
      to: 'return serial < 0 ? "older" : null;',
    },
    {
      title: "[ENROL-13] a record that came while the daemon did not run counts from its start on",
      defence: "a record counts from the start on",
      from: "if (mark === null || mark.serial < found.serial) saveMark(options.mark, markOf(found));",
      to: "if (mark === null) saveMark(options.mark, markOf(found));",
    },
    {
      title: "[ENROL-13] of two reloads at once the later record stays in force",
      defence: "the record from before a revocation is not put in force after it",
      from: "if (found.serial < this.#installation.serial) return false;",
      to: "",
    },
    {
      title: "[ENROL-13] another installation's record is refused, also at a start",
      defence: "a record under a root key of one's own is none",
      file: `${INSTALL}/record-mark.ts`,
      from: 'if (installation !== mark.installation || rootKey !== mark.rootKey) return "foreign";',
      to: "",
    },
    {
      title: "[ENROL-13] a damaged mark is no missing one",
      defence: "a flipped bit lets no old record in",
      file: `${INSTALL}/record-mark.ts`,
      from: "if (mark === null)\n    throw",
      to: "if (mark === null) return null;\n  if (mark === undefined)\n    throw",
    },
    {
      title: "[ENROL-13] a record whose mark cannot be written is not in force",
      defence: "a full disk makes no start forget a revocation",
      from: "      saveMark(this.#options.mark, markOf(found));\n    });\n    this.#options.keyring",
      to: "      try {\n        saveMark(this.#options.mark, markOf(found));\n      } catch {}\n    });\n    this.#options.keyring",
    },
    {
      title: "[ENROL-22] what was accepted is there after a restart, and counted once",
      defence: "whom a token let in is remembered across restarts",
      from: 'stored("certificates", () => this.#save(certified, this.#record));\n    this.#installation = next;',
      to: "this.#installation = next;",
    },
    {
      title: "[ENROL-22] what cannot be written is not in force",
      defence: "what cannot be counted is not in force",
      from: 'stored("certificates", () => this.#save(certified, this.#record));\n    this.#installation = next;',
      to: "try {\n      this.#save(certified, this.#record);\n    } catch {}\n    this.#installation = next;",
    },
    {
      title:
        "[ENROL-23] an owner keeps so many certificates, and takes no more until the record is signed",
      defence: "who has one key does not keep everybody else out",
      from: "if (holder !== null && rotationsOf(holder, this.#certified) >= limits.MAX_ROTATIONS)",
      to: "if (false)",
    },
    {
      title: "[ENROL-25] a clock that is set back gives a token no more time",
      defence: "turning the clock back gives a token no time",
      from: "acceptedMs: Math.max(latestMs, wallMs),",
      to: "acceptedMs: latestMs < 0 ? latestMs : wallMs,",
    },
  ]),
  ...rows(...at("token"), [
    {
      title: "[ENROL-25] the record bears no token without bounds",
      defence: "a number that reads as none is no token's",
      from: "return Number.isSafeInteger(value) && value >= 1 && value <= most;",
      to: "return !(value < 1) && !(value > most);",
    },
  ]),
  ...rows(`${IO}/grant-store.test.ts`, `${IO}/grant-store.ts`, [
    {
      title: "[AUTH-48] a changed byte anywhere is found, also in the last write",
      defence: "damage does not pass for a write that was cut short",
      from: "const isFrame = equalBytes(linkOf(frame), next);\n    if (!isFrame && at + whole <= end) return null;",
      to: "const isFrame = equalBytes(linkOf(frame), next);",
    },
    {
      title:
        "[AUTH-49] nothing is written behind a write that failed, or into a file that is not there",
      defence: "nothing is written behind a write that failed",
      from: "this.#journal = null;\n    const changes",
      to: "const changes",
    },
    {
      title:
        "[AUTH-49] nothing is written behind a write that failed, or into a file that is not there",
      defence: "nothing is written into a file that is not there any more",
      from: "return length + frame.length <= room && there?.ino === inode && there.size === length;",
      to: "return length + frame.length <= room && (there?.ino === inode || there?.ino !== inode);",
      fails: "ENOENT: no such file or directory",
    },
  ]),
  ...rows(`${IO}/grant-keeper.test.ts`, `${IO}/grant-keeper.ts`, [
    {
      title: "[AUTH-31] what was acknowledged is there after a crash",
      defence: "a revocation is on disk before it is acknowledged",
      from: "if (changed || this.#unsaved || this.#writing !== null) await this.save();",
      to: "void this.save().catch(() => undefined);",
    },
    {
      title:
        "[AUTH-41] a grant that comes as another one ends is new, and not in force if it is not stored",
      defence: "a grant that is not stored is not in force",
      from: "if (isNew) book.revoke(id, this.#self, this.#options.now());\n      throw cause;",
      to: "throw cause;",
    },
    {
      title: "[PANIC-2] a panic ends every grant, for good",
      defence: "a panic ends every grant",
      from: "this.#book?.endAll(this.#options.now());",
      to: "",
    },
    {
      title: "[AUTH-41] a damaged state is kept, and no grant is taken",
      defence: "damage is no way to begin with a ledger that remembers nothing",
      from: 'log("error", fault.message, { hint: fault.hint });\n      return null;',
      to: 'log("error", fault.message, { hint: fault.hint });\n      return new GrantBook(options, trust, now());',
    },
    {
      title: "[AUTH-45] an end that a crash kept off the record is on it after the next start",
      defence: "a kill at the right instant hides no end",
      from: "if (this.#endsChanged) saveEnds(`${this.#options.path}.ends`, this.#unrecorded);",
      to: "",
      fails: "ENOENT: no such file or directory",
    },
  ]),
];
