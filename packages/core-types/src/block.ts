// The block list: who gets nothing, why, and until when. docs/SIGNALS.md, Block list.

/** Why somebody is blocked. */
export const BLOCK_REASONS = {
  review: "somebody looks into what it did",
  abuse: "it does what it was not let in for",
  compromised: "its key or its machine may be in other hands",
  tampered: "its program was changed",
  forgery: "it sent what nobody sends by mistake: repeated, malformed, against the protocol",
  guessing: "it tried passwords or codes",
  flooding: "it went on after it was refused for asking too often",
} as const;
export type BlockReason = keyof typeof BLOCK_REASONS;

const SUBJECT = /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64})$/;

/** True for what can be blocked: the id of an identity, or a Noise key in 64 hex digits. */
export function isBlockSubject(text: string): boolean {
  return SUBJECT.test(text);
}
