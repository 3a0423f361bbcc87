// Why a daemon ended, from what it wrote to the log.

export type Words = { readonly message: string; readonly hint: string | null };

/** Longest message, in characters. */
const MAX_WORDS = 500;

/**
 * The last error that the daemon logged (lines of JSON, core-ipc's log), else the last line that
 * no other process logged.
 *
 * @param text the end of the log, possibly with lines of others
 */
export function lastWords(text: string, daemon: string): Words | null {
  let bare: string | null = null;
  for (const line of text.split("\n").reverse()) {
    if (line.trim() === "") continue;
    const entry = entryOf(line);
    if (entry === null) bare ??= line.trim().slice(0, MAX_WORDS);
    else if (entry["daemon"] === daemon && entry["level"] === "error") return wordsOf(entry);
  }
  return bare === null ? null : { message: bare, hint: null };
}

function wordsOf({ event, error, hint }: Readonly<Record<string, unknown>>): Words {
  const said = typeof error === "string" ? error.split("\n", 1)[0] : event;
  return {
    message: String(said).slice(0, MAX_WORDS),
    hint: typeof hint === "string" ? hint.slice(0, MAX_WORDS) : null,
  };
}

function entryOf(line: string): Readonly<Record<string, unknown>> | null {
  if (!line.startsWith("{")) return null;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null;
  }
}
