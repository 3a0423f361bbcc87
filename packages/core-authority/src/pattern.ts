import { isSecretName, limits } from "@sesame/core-types";

// Patterns over names of secrets: segments joined by `/`; `*` stands for any run of characters
// within a segment, `**` as the last segment for one or more segments. docs/AUTHORITY.md, Patterns.

const SEGMENT = /^[A-Za-z0-9._*-]+$/;
const ANY_DEPTH = "**";

/** True for a well-formed pattern; every name of a secret is one. */
export function isPattern(text: string): boolean {
  if (text.length > limits.MAX_SECRET_NAME) return false;
  const segments = text.split("/");
  if (segments.at(-1) === ANY_DEPTH) segments.pop();
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
  if (narrow === wide) return true;
  const inner = split(narrow);
  const outer = split(wide);
  // Segments that a name has at least: those of the pattern, with one for `**`.
  if (outer.open ? inner.least < outer.least : inner.open || inner.least !== outer.least)
    return false;
  return outer.fixed.every((glob, i) => fits(glob, inner.fixed[i] ?? ""));
}

/** True only if no name matches both. */
export function areDisjoint(one: string, other: string): boolean {
  const a = split(one);
  const b = split(other);
  if (!a.open && a.least < b.least) return true;
  if (!b.open && b.least < a.least) return true;
  return a.fixed.some((glob, i) => {
    const opposite = b.fixed[i];
    return opposite !== undefined && segmentsDisjoint(glob, opposite);
  });
}

type Split = { readonly fixed: readonly string[]; readonly open: boolean; readonly least: number };

function split(pattern: string): Split {
  const segments = pattern.split("/");
  const least = segments.length;
  const open = segments.at(-1) === ANY_DEPTH;
  if (open) segments.pop();
  return { fixed: segments, open, least };
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
