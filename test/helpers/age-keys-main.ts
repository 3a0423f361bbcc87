// Has a home's record say that all keys are so many days older, as its root key's owner.
import { pathsFrom } from "@sesame/core-ipc/daemon";
import { signRecord } from "./sign-record.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;
const [, , days] = process.argv;
const ago = Number(days) * DAY_MS;

await signRecord(pathsFrom(process.env), (identities) =>
  identities.map((one) => ({
    ...one,
    enrolledMs: one.enrolledMs - ago,
    keyedMs: one.keyedMs - ago,
  })),
);
