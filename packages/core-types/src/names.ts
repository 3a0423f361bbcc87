import { MAX_IDENTITY_NAME, MAX_PROFILE_NAME, MAX_SECRET_NAME, MAX_TOPIC_NAME } from "./limits.ts";

const WORD = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const SEGMENT = /^[A-Za-z0-9._-]+$/;

/** A profile name becomes a file name: letters, digits, `.`, `_`, `-`, no leading mark. */
export function isProfileName(text: string): boolean {
  return text.length <= MAX_PROFILE_NAME && WORD.test(text) && !text.includes("..");
}

/** A name of an identity, as shown in the audit log. */
export function isIdentityName(text: string): boolean {
  return text.length <= MAX_IDENTITY_NAME && WORD.test(text);
}

/** `/`-joined segments of letters, digits, `.`, `_`, `-`; no empty, `.` or `..` segment. */
export function isSecretName(text: string): boolean {
  return text.length <= MAX_SECRET_NAME && isPath(text);
}

/** Application topics have the form of secret names. */
export function isTopicName(text: string): boolean {
  return text.length <= MAX_TOPIC_NAME && isPath(text);
}

function isPath(text: string): boolean {
  return text
    .split("/")
    .every((segment) => SEGMENT.test(segment) && segment !== "." && segment !== "..");
}
