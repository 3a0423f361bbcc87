import { Fault, isBlockSubject, limits } from "@sesame/core-types";
import { readBounded, replaceFile } from "@sesame/core-ipc/daemon";
import type { Blocked } from "@sesame/core-audit";

/** Bytes of one block in the file, at most. */
const BLOCK_BYTES = 128;

/**
 * Whom the operator has blocked; none before the first.
 *
 * @throws {Fault} integrity, if the file is not one of ours: it is not taken for a missing one
 */
export function loadBlocks(path: string): readonly Blocked[] {
  const file = readBounded(path, BLOCK_BYTES * (limits.MAX_BLOCKS + 1));
  if (file === null) return [];
  const blocks = parse(file.toString("utf8"));
  if (blocks === null)
    throw new Fault(
      "integrity",
      `${path} is damaged, so nobody knows whom the operator has blocked`,
      "restore it from a backup; or remove it, and block again whom `sesame agent blocked` names",
    );
  return blocks;
}

/** @throws {Fault} if it cannot be made durable; the old one is still there */
export function saveBlocks(path: string, blocks: readonly Blocked[]): void {
  replaceFile(path, new TextEncoder().encode(textOf(blocks)));
}

function textOf(blocks: readonly Blocked[]): string {
  const ordered = blocks.map(({ subject, untilMs }) => ({ subject, untilMs }));
  return `${JSON.stringify({ version: 1, blocks: ordered })}\n`;
}

/** Only what textOf writes is read. */
function parse(text: string): readonly Blocked[] | null {
  try {
    const { blocks } = JSON.parse(text) as { readonly blocks: readonly Blocked[] };
    const fits =
      textOf(blocks) === text &&
      blocks.every(
        ({ subject, untilMs }) =>
          isBlockSubject(subject) && (untilMs === null || Number.isSafeInteger(untilMs)),
      );
    return fits ? blocks : null;
  } catch {
    return null;
  }
}
