import { inFolder, rows, type Row } from "../row.ts";

const AUDIT = "packages/core-audit/src";
const at = inFolder(AUDIT);

/** The record: its form, its signatures, what a crash leaves of it, and what is read out of it. */
export const AUDIT_LOG: readonly Row[] = [
  ...rows(`${AUDIT}/verify.test.ts`, `${AUDIT}/chain.ts`, [
    {
      title: "[AUDIT-5] an entry with a good hash and another number or predecessor is bad",
      defence: "entries carry on the numbers of those before them",
      from: "if (sequence !== this.#sequence + 1)",
      to: "if (false)",
    },
    {
      title: "[AUDIT-5] an entry with a good hash and another number or predecessor is bad",
      defence: "an entry names the one before it",
      from: "if (!sameHex(this.#hash, bytes, frame.prevAt))",
      to: "if (false)",
    },
    {
      title: "[AUDIT-25] any changed byte is found, on its line",
      defence: "an entry fits its own hash",
      from: "if (!isHexOf(hash, bytes, frame.hashAt))",
      to: "if (false)",
    },
    {
      title: "[AUDIT-25] a removed, added, repeated or moved line is found, where it stands",
      defence: "no line is removed, added or moved unseen",
      from: "if (sequence !== this.#sequence + 1)",
      to: "if (false)",
      also: [
        {
          file: `${AUDIT}/chain.ts`,
          from: "if (!sameHex(this.#hash, bytes, frame.prevAt))",
          to: "if (false)",
        },
      ],
    },
    {
      title: "[AUDIT-27] a log cut anywhere before its anchor is found; behind it, it is said",
      defence: "a log reaches as far as an anchor saw it",
      file: `${AUDIT}/verify.ts`,
      from: 'anchor.state = anchor.signer < (signer ?? 0) ? "not signed" : "missing";',
      to: 'anchor.state = anchor.signer < (signer ?? 0) ? "not signed" : "matches";',
    },
    {
      title: "[AUDIT-26] a log rewritten without the signing key fails at its first checkpoint",
      defence: "checkpoints are signed",
      from: "if (!this.#isSigned(reach, signature))",
      to: "if (false)",
    },
    {
      title: "[AUDIT-26] hashes made anew up to the next checkpoint fail at that checkpoint",
      defence: "a checkpoint signs the hash that the chain has there",
      file: `${AUDIT}/checkpoint.ts`,
      from: 'at += bytes.write(reach.hash, at, "hex");',
      to: "at += 32;",
    },
    {
      title: "[AUDIT-27] a log rewritten with the signing key contradicts its anchors",
      defence: "an anchor tells of the very entry",
      file: `${AUDIT}/verify.ts`,
      from: "anchor.sequence === sequence && anchor.hash === this.#chain.hash;",
      to: "anchor.sequence === sequence;",
    },
    {
      title: "[AUDIT-27] an anchor that nobody signed makes the log not good",
      defence: "an anchor counts if the log's key signed it",
      file: `${AUDIT}/verify.ts`,
      from: "if (signer === null) this.#forged.push(sequence);",
      to: "if (signer === null) void sequence;",
    },
    {
      title: "[AUDIT-26] the key and the installation are the verifier's, not the log's",
      defence: "a log of another installation is not this one's",
      from: "return control.installation === toHex(this.#rules.installationId)",
      to: "return control.installation !== ''",
    },
    {
      title: "[AUDIT-2] ${what} is found",
      defence: "a segment that is missing is missed",
      file: `${AUDIT}/verify.ts`,
      from: "if (found === null) this.#absent(segment, `segment ${segment} is missing`);",
      to: "void found;",
    },
    {
      title: "[AUDIT-28] a log that is not there is not good",
      defence: "to remove the whole log is no way to pass",
      file: `${AUDIT}/verify.ts`,
      from: 'if (numbers.length === 0) return this.#absent(1, "there is no log");',
      to: "",
    },
    {
      title: "[AUDIT-9] a control entry with anything else in it is refused",
      defence: "nothing stands beside a signature unseen",
      from: "return lineText(hashed, entry.hash) === line ? control : null;",
      to: "return lineText(hashed, entry.hash) === '' ? null : control;",
    },
    {
      title: "[AUDIT-30] gaps are listed with the state of their bytes",
      defence: "what a crash tore is still what the log says",
      file: `${AUDIT}/verify.ts`,
      from: 'return toHex(this.#hashers.plain(bytes)) === gap.hash ? "matches" : "differs";',
      to: 'return "matches";',
    },
    {
      title: "[AUDIT-30] a gap entry opens no file but a torn one of its directory",
      defence: "a forged gap entry does not have a verifier open any file",
      file: `${AUDIT}/verify.ts`,
      from: "if (!isTorn(gap.file) || gap.bytes",
      to: "if (gap.bytes",
    },
  ]),
  ...rows(...at("export"), [
    {
      title: "[AUDIT-35] of a log that is not good nothing is exported, also not the good part",
      defence: "an export of a log that does not verify is none",
      from: "if (!report.ok) return { report, payload: null, from, to: from };",
      to: "",
    },
  ]),
  ...rows(...at("log"), [
    {
      title: "[AUDIT-1] the directory is 0700 and every file 0600, also where it was wider",
      defence: "other users do not read the log",
      file: `${AUDIT}/io/node-files.ts`,
      from: "if (((await stat(dir)).mode & 0o777) !== 0o700) await chmod(dir, 0o700);",
      to: "void [stat, chmod];",
    },
    {
      title: "[AUDIT-1] the directory is 0700 and every file 0600, also where it was wider",
      defence: "other users do not read a segment",
      file: `${AUDIT}/io/node-files.ts`,
      from: "O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)",
      to: "O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o644)",
    },
    {
      title: "[AUDIT-8] any event comes back as it was given, and as no control entry",
      defence: "a name that a client chose is quoted",
      file: `${AUDIT}/entry.ts`,
      from: "return JSON.stringify(ordered).slice(1, -1);",
      to: "return JSON.stringify(ordered).slice(1, -1).replaceAll('\\\\\"', '\"');",
    },
    {
      title: "[AUDIT-8] nothing that a caller adds to an event reaches the line",
      defence: "a line has the fields of an event, and no others",
      file: `${AUDIT}/entry.ts`,
      from: "const ordered = { actor: actor && orderedActor(actor), profile, action, object, outcome };",
      to: "const ordered = { ...event, actor: actor && orderedActor(actor), profile, action, object, outcome };",
    },
    {
      title: "[AUDIT-13] listeners and callers get a checkpoint that a power cut leaves",
      defence: "an anchor tells of what is on disk",
      from: "made.push(batch.checkpoint(now));\n        unsigned = 0;",
      to: "made.push(batch.checkpoint(now));\n        this.#announce(made);\n        unsigned = 0;",
    },
    {
      title: "[AUDIT-16] what was acknowledged survives a power cut",
      defence: "an entry is synced before it is acknowledged",
      from: "await Promise.all([tip.file.sync(), expectOurs(tip.file, length)]);",
      to: "await expectOurs(tip.file, length);",
    },
    {
      title: "[AUDIT-18] ${code} at ${operation}: all of the batch is refused and gone",
      defence: "what was refused is not in the log",
      from: 'if (state.is === "open") await takeBack(state.tip, !(cause instanceof Damage));',
      to: "",
      also: [
        {
          file: `${AUDIT}/log.ts`,
          from: "if (durable !== null) await cut(this.#files, durable.segment, durable.length);",
          to: "",
        },
      ],
    },
    {
      title: "[AUDIT-18] a failed batch that cannot be taken back at once is taken back later",
      defence: "a batch that failed is cut off before more is read back",
      from: "if (durable !== null) await cut(this.#files, durable.segment, durable.length);",
      to: "",
    },
    {
      title: "[AUDIT-20] a segment removed under the writer's hands stops it",
      defence: "nothing is written to a file that nobody can find",
      from: 'if (links === 0) throw new Damage("the segment in use was removed");',
      to: "",
    },
    {
      title: "[AUDIT-20] a segment removed during a write is not acknowledged",
      defence: "an entry that nobody can find is not acknowledged",
      from: "await Promise.all([tip.file.sync(), expectOurs(tip.file, length)]);",
      to: "await tip.file.sync();",
    },
  ]),
  ...rows(...at("recover"), [
    {
      title: "[AUDIT-22] a batch torn at any byte leaves the acknowledged and a gap entry",
      defence: "torn bytes are kept, and on record",
      from: "await publish(files, torn, end.torn);\n    await cut",
      to: "await cut",
    },
    {
      title: "[AUDIT-23] recovery may be interrupted at any operation, any number of times",
      defence: "torn bytes are set aside before they are cut off",
      from: "await publish(files, torn, end.torn);\n    await cut(files, last, end.length);",
      to: "await cut(files, last, end.length);\n    await publish(files, torn, end.torn);",
    },
    {
      title: "[AUDIT-21] ${crash} at any operation of a writer: its chain goes on",
      defence: "a segment is synced before it has its name",
      from: "await writeAll(file, bytes, 0);\n    await file.sync();",
      to: "await writeAll(file, bytes, 0);",
    },
    {
      title: "[AUDIT-21] a power cut after a restart after a kill loses nothing either",
      defence: "what a killed writer left in the cache is synced before more follows",
      from: "await file.sync();\n    await files.syncNames();\n    return file;",
      to: "return file;",
    },
    {
      title: "[AUDIT-21] a directory whose segments are gone gets no second beginning",
      defence: "whoever removes the segments gets no fresh log",
      from: 'if (names.some(isTorn)) throw new Damage("its segments are gone");',
      to: "",
    },
    {
      title: "[AUDIT-24] ${what}: nothing is touched and nothing is recorded",
      defence: "a log with a segment missing is not carried on",
      from: "if (missing !== null) throw new Damage(`segment ${missing} is missing`);",
      to: "",
    },
    {
      title: "[AUDIT-24] a log of another key is not continued",
      defence: "a log in the place of the real one is not carried on",
      from: "if (signer === null) throw new Damage(`segment ${segment} has no checkpoint where it begins`);",
      to: "",
      also: [
        {
          file: `${AUDIT}/chain.ts`,
          from: "if (!this.#isSigned(reach, signature))",
          to: "if (false)",
        },
      ],
    },
  ]),
  ...rows(`${AUDIT}/rekey.test.ts`, `${AUDIT}/chain.ts`, [
    {
      title:
        "[AUDIT-41] where the change cannot be written, what follows is under the new key all the same",
      defence: "a rotation holds though its record cannot be written",
      file: `${AUDIT}/log.ts`,
      from: "await signed.catch(() => undefined);\n    this.#owner",
      to: "await signed;\n    this.#owner",
    },
    {
      title: "[AUDIT-42] [AUDIT-45] what a former key signs after its end is refused, and cut off",
      defence: "a former key signs nothing after its end",
      from: "publicKey !== undefined && isSigned(verifier, { installationId, publicKey }, reach, signature)",
      to: "publicKey !== undefined &&\n      signerOf(verifier, this.#rules, reach, signature) !== null",
    },
    {
      title: "[AUDIT-43] a log that ends under a former key is not good",
      defence: "a log goes on to the key that is in force",
      file: `${AUDIT}/verify.ts`,
      from: "if ((signer ?? 0) < this.#keys.length - 1)",
      to: "if (false)",
    },
  ]),
  ...rows(`${AUDIT}/blocks/block.test.ts`, `${AUDIT}/blocks/block.ts`, [
    {
      title: "[BLOCK-1] entries of other daemons, refused ones and other texts change nothing",
      defence: "only the writer's own entries lift a block",
      from: "actor !== null && actor.by === undefined;",
      to: "actor !== null;",
    },
    {
      title: "[BLOCK-1] entries of other daemons, refused ones and other texts change nothing",
      defence: "a refused request lifts no block",
      from: '|| (outcome !== "ok" && !outcome.startsWith("ok:"))) return null;',
      to: "|| outcome === '') return null;",
    },
    {
      title: "[BLOCK-5] a block ends at its date, and a clock that is set back prolongs nothing",
      defence: "a block ends at its date",
      file: `${AUDIT}/blocks/blocks-in-force.ts`,
      from: "return block.untilMs === null || block.untilMs > this.#latestMs;",
      to: "return true;",
    },
    {
      title: "[BLOCK-5] a block ends at its date, and a clock that is set back prolongs nothing",
      defence: "a clock that is set back brings no block back",
      file: `${AUDIT}/blocks/blocks-in-force.ts`,
      from: "this.#latestMs = Math.max(this.#latestMs, this.#wallMs());",
      to: "this.#latestMs = this.#wallMs();",
    },
    {
      title: "[BLOCK-5] the operator and the daemons are not blocked, whatever the log says",
      defence: "no line of the log locks out the operator",
      file: `${AUDIT}/blocks/blocks-in-force.ts`,
      from: "|| isReservedName(name)) return false;",
      to: ") return false;\n    void [isReservedName, name];",
    },
    {
      title: "[BLOCK-5] a clock that was ahead once takes nothing from a block that comes later",
      defence: "a clock that was wrong for a moment sets nobody free",
      file: `${AUDIT}/blocks/blocks-in-force.ts`,
      from: "if (nowMs < this.#latestMs) {",
      to: "if (false) {",
    },
    {
      title: "[BLOCK-1] reading a log finds every entry about blocks, in order, and no other",
      defence: "a text that looks like an entry is none",
      file: `${AUDIT}/blocks/read-blocks.ts`,
      from: 'Buffer.from(\'"action":"block.\');',
      to: 'Buffer.from("block.");',
    },
  ]),
  ...rows(`${AUDIT}/blocks/strikes.test.ts`, `${AUDIT}/blocks/strikes.ts`, [
    {
      title:
        "[STRIKE-2] ${reason} strikes with the entry that fulfils it, names them all, and once",
      defence: "who forges, guesses or floods is noticed in time",
      from: "if (evidence.length < count) return null;",
      to: "if (evidence.length <= count) return null;",
    },
    {
      title:
        "[STRIKE-1] strikes count against the identity whose key was proved, not against a name",
      defence: "nobody is blocked for what was done in its name",
      from: "const identity = actor?.identity ?? null;",
      to: "const identity = actor?.name ?? null;",
    },
    {
      title: "[STRIKE-2] what comes of restarts, clocks, mistakes and others strikes nobody",
      defence: "nobody is blocked for what others can make it do",
      from: 'refusedAs("seal-replayed", "seal-malformed", "proof-invalid")(what),',
      to: 'what.outcome.startsWith("refused:seal-"),',
    },
  ]),
  ...rows(`${AUDIT}/signals/score.test.ts`, `${AUDIT}/signals/score.ts`, [
    {
      title: "[SIGNAL-8] a lower value never raises the score, nor does silence about a good one",
      defence: "what was not measured does not make a high score",
      from: "Math.min((100 * sum) / measured, whole);",
      to: "(100 * sum) / measured;",
    },
    {
      title: "[SIGNAL-8] a further refusal or finding never raises the score",
      defence: "one sort of refusal does not thin out the other",
      from: "compliance: share(notAllowed),",
      to: "compliance: calls === 0 ? null : (calls - notAllowed) / calls,",
    },
    {
      title: "attestation is what others answered, never what it answered itself",
      defence: "nobody praises itself",
      file: `${AUDIT}/signals/conducts.ts`,
      from: "if (to === undefined || to === actor?.name) return null;",
      to: "if (to === undefined) return null;",
    },
    {
      title: "[SIGNAL-10] who comes in under a former name begins anew",
      defence: "the trust of a revoked identity goes with it",
      file: `${AUDIT}/signals/conducts.ts`,
      from: "if (removed !== null) this.#pasts.delete(removed);",
      to: "",
    },
  ]),
  ...rows(`${AUDIT}/signals/watch.test.ts`, `${AUDIT}/signals/watch.ts`, [
    {
      title: "[SIGNAL-3] ${rule} speaks with the entry that fulfils it, and not before (${i + 1})",
      defence: "forged calls are told",
      from: "if (forged && past.forgeries.add(time))",
      to: "if (false)",
    },
    {
      title: "[SIGNAL-6] a log full of strangers costs no more than a bound",
      defence: "who is refused under many names does not exhaust the watcher's memory",
      from: "if (map.size > MAX_PARTIES && oldest !== undefined) map.delete(oldest);",
      to: "void oldest;",
    },
  ]),
];
