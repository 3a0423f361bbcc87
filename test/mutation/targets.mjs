// What is mutated, and the tests that are to notice: the fastest first, since the first that
// fails ends the try.

const AUTHORITY = "packages/core-authority/src";
const AUDIT = "packages/core-audit/src";
const IPC = "packages/core-ipc/src";
const POLICY = "packages/core-policy/src";
const CRYPTO = "packages/core-crypto/src";

const tests = (folder, ...names) => names.map((name) => `${folder}/${name}.test.ts`);

const LEDGER = tests(AUTHORITY, "ledger-state", "ledger", "ledger-model");
const POLICIES = tests(POLICY, "decide", "enforcer", "text", "bundle");

/** Source file to test files. */
export const TARGETS = {
  [`${AUTHORITY}/pattern.ts`]: tests(AUTHORITY, "scope", "grant", "chain"),
  [`${AUTHORITY}/scope.ts`]: tests(AUTHORITY, "scope", "grant", "chain"),
  [`${AUTHORITY}/grant.ts`]: tests(AUTHORITY, "grant", "command", "chain"),
  [`${AUTHORITY}/command.ts`]: tests(AUTHORITY, "command", "grant"),
  [`${AUTHORITY}/chain.ts`]: tests(AUTHORITY, "chain", "grant", "scope", "command"),
  [`${AUTHORITY}/ledger.ts`]: LEDGER,
  [`${AUTHORITY}/ledger-state.ts`]: LEDGER,
  [`${AUTHORITY}/book.ts`]: tests(AUTHORITY, "book"),
  [`${CRYPTO}/dsse.ts`]: tests(CRYPTO, "dsse"),
  [`${POLICY}/decide.ts`]: POLICIES,
  [`${POLICY}/enforcer.ts`]: POLICIES,
  [`${POLICY}/bundle.ts`]: tests(POLICY, "bundle"),
  [`${IPC}/bus/gate.ts`]: tests(`${IPC}/bus`, "gate", "dispatcher", "matrix"),
  [`${IPC}/bus/dispatcher.ts`]: tests(`${IPC}/bus`, "dispatcher", "matrix"),
  [`${IPC}/install/token.ts`]: tests(`${IPC}/install`, "token", "certified"),
  [`${IPC}/install/certificate.ts`]: tests(`${IPC}/install`, "certificate", "certified"),
  [`${IPC}/install/certified.ts`]: tests(`${IPC}/install`, "certified", "record-in-force"),
  [`${IPC}/install/record.ts`]: tests(`${IPC}/install`, "record", "record-in-force", "membership"),
  [`${IPC}/seal/replay-window.ts`]: tests(`${IPC}/seal`, "replay-window", "sealed"),
  [`${AUDIT}/chain.ts`]: tests(AUDIT, "tail", "rekey", "verify", "log"),
  [`${AUDIT}/checkpoint.ts`]: tests(AUDIT, "checkpoint", "rekey", "verify", "log"),
  [`${AUDIT}/verify.ts`]: tests(AUDIT, "export", "tail", "rekey", "verify"),
  [`${AUDIT}/recover.ts`]: tests(AUDIT, "rekey", "log", "recover"),
  [`${AUDIT}/blocks/block-list.ts`]: tests(`${AUDIT}/blocks`, "block", "strikes"),
  [`${AUDIT}/blocks/strikes.ts`]: tests(`${AUDIT}/blocks`, "strikes", "block"),
};
