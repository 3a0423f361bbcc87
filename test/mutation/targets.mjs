// What is mutated, and the tests that are to notice: the fastest first, since the first that
// fails ends the try.

const AUTHORITY = "packages/core-authority/src";
const AUDIT = "packages/core-audit/src";
const IPC = "packages/core-ipc/src";

const CHAIN = ["chain", "grant", "scope"].map((name) => `${AUTHORITY}/${name}.test.ts`);
const LEDGER = ["ledger-state", "ledger-model", "ledger"].map(
  (name) => `${AUTHORITY}/${name}.test.ts`,
);
const LOG = ["tail", "verify", "log", "recover"].map((name) => `${AUDIT}/${name}.test.ts`);

/** Source file to test files. */
export const TARGETS = {
  [`${AUTHORITY}/pattern.ts`]: [`${AUTHORITY}/scope.test.ts`, ...CHAIN.slice(0, 2)],
  [`${AUTHORITY}/scope.ts`]: [`${AUTHORITY}/scope.test.ts`, ...CHAIN.slice(0, 2)],
  [`${AUTHORITY}/grant.ts`]: [`${AUTHORITY}/grant.test.ts`, `${AUTHORITY}/chain.test.ts`],
  [`${AUTHORITY}/chain.ts`]: CHAIN,
  [`${AUTHORITY}/ledger.ts`]: LEDGER,
  [`${AUTHORITY}/ledger-state.ts`]: LEDGER,
  [`${IPC}/bus/dispatcher.ts`]: [`${IPC}/bus/dispatcher.test.ts`, `${IPC}/seal/sealed.test.ts`],
  [`${IPC}/seal/replay-window.ts`]: [
    `${IPC}/seal/replay-window.test.ts`,
    `${IPC}/seal/sealed.test.ts`,
  ],
  [`${AUDIT}/chain.ts`]: LOG,
  [`${AUDIT}/verify.ts`]: LOG,
};
