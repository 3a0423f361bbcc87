import { isSecretName, limits } from "@sesame/core-types";

// Patterns over names of secrets: segments joined by `/`; `*` stands for any run of characters
// within a segment, `**` as the last segment for one or more segments. docs/AUTHORITY.md, Patterns.

const SEGMENT = /^[A-Za-z0-9._*-]+$/;
const ANY_DEPTH = "**";

/** True for a well-formed pattern; every name of a secret is one. */
export function isPattern(text: string): boolean {
  if (text.length > limits.MAX_SECRET_NAME) return false;
  const segments = text.split("/");
  if (isOpen(segments)) segments.pop();
  return segments.every(
    (segment) =>
      SEGMENT.test(segment) && !segment.includes("**") && segment !== "." && segment !== "..",
  );
}

/** True if the pattern matches; never for what is not a name of a secret. */
export function matches(pattern: string, name: string): boolean {
  return isSecretName(name) && implies(name, pattern);
}

/** True only if every name that `narrow` matches is matched by `wide` too. */
export function implies(narrow: string, wide: string): boolean {
  const inner = narrow.split("/");
  const outer = wide.split("/");
  // A name has as many segments as its pattern, or more if that is open.
  if (isOpen(outer) ? inner.length < outer.length : isOpen(inner) || inner.length !== outer.length)
    return false;
  return outer.every((glob, i) => fits(glob, inner[i] ?? ""));
}

/** True only if no name matches both. */
export function areDisjoint(one: string, other: string): boolean {
  const a = one.split("/");
  const b = other.split("/");
  if (!isOpen(a) && a.length < b.length) return true;
  if (!isOpen(b) && b.length < a.length) return true;
  return a.some((glob, i) => {
    const opposite = b[i];
    return opposite !== undefined && segmentsDisjoint(glob, opposite);
  });
}

/** Whether `**` ends it, which by itself is one segment that may be any. */
function isOpen(segments: readonly string[]): boolean {
  return segments.at(-1) === ANY_DEPTH;
}

/**
 * Whether a segment's glob takes a text. The text may be a glob itself: only a `*` takes its `*`,
 * so that then whatever the text takes, the glob takes.
 */
function fits(glob: string, text: string): boolean {
  let g = 0;
  let t = 0;
  let star = -1;
  let resumeAt = 0;
  while (t < text.length) {
    if (glob[g] === "*") {
      star = g++;
      resumeAt = t;
    } else if (glob[g] === text[t]) {
      g++;
      t++;
    } else if (star >= 0) {
      // The last `*` takes one character more; earlier ones need no second try.
      g = star + 1;
      t = ++resumeAt;
    } else return false;
  }
  while (glob[g] === "*") g++;
  return g === glob.length;
}

function segmentsDisjoint(a: string, b: string): boolean {
  if (!a.includes("*")) return !fits(b, a);
  if (!b.includes("*")) return !fits(a, b);
  const [headA, headB] = [a.slice(0, a.indexOf("*")), b.slice(0, b.indexOf("*"))];
  const [tailA, tailB] = [a.slice(a.lastIndexOf("*") + 1), b.slice(b.lastIndexOf("*") + 1)];
  return (
    !(headA.startsWith(headB) || headB.startsWith(headA)) ||
    !(tailA.endsWith(tailB) || tailB.endsWith(tailA))
  );
}
