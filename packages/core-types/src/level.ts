/** Classification of messages, lowest first. `clearance` is the highest level an identity has. */
export const LEVELS = ["open", "internal", "profile-scoped", "secrets-only"] as const;

export type Level = (typeof LEVELS)[number];

/** Position of a level in the order; the byte on the wire. */
export function levelRank(level: Level): number {
  return LEVELS.indexOf(level);
}

/** True if an identity with this clearance may send and receive messages of this level. */
export function dominates(clearance: Level, level: Level): boolean {
  return levelRank(clearance) >= levelRank(level);
}
