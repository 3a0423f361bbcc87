// What people and scripts see: results on stdout, errors on stderr, as text or as one line of JSON.
import { Denial, DENIALS, EXIT_CODES, Fault, Violation, type ExitClass } from "@sesame/core-types";
import { printable, printableJson } from "./printable.ts";

/** The outcome of a command in both forms; neither has a newline at its end. */
export interface Outcome {
  /** Lines for people, made of safe text (`table`, `printable`); empty to print nothing. */
  readonly text: string;
  /** For `--json`. */
  readonly data: unknown;
}

/** An error as `--json` shows it, under the key `error`. */
export interface ErrorReport {
  /** Denial code, rule id of docs/PROTOCOL.md, or exit class. */
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  /** The exit code. */
  readonly exit: number;
}

export interface Style {
  readonly json: boolean;
  readonly colour: boolean;
}

/** What goes to stdout, with its newline. */
export function renderOutcome(outcome: Outcome, json: boolean): string {
  if (json) return `${printableJson(outcome.data)}\n`;
  return outcome.text === "" ? "" : `${outcome.text}\n`;
}

/** What goes to stderr, with its newline. */
export function renderError(error: unknown, style: Style): string {
  const report = reportOf(error);
  if (style.json) return `${printableJson({ error: report })}\n`;
  const hint = report.hint === "" ? "" : `  hint: ${printable(report.hint)}\n`;
  return `${paint("sesame:", "red", style.colour)} ${printable(report.message)}\n${hint}`;
}

/** The exit code of the program that ends with this error. */
export function exitCodeOf(error: unknown): number {
  return EXIT_CODES[exitClassOf(error)].code;
}

/**
 * Code, message, hint and exit code of an error. Anything unexpected is an internal failure, told
 * by its kind and place only: texts of such errors quote data (JSON.parse does), so also secrets.
 */
export function reportOf(error: unknown): ErrorReport {
  const exit = exitCodeOf(error);
  if (error instanceof Denial) {
    return { code: error.code, message: error.message, hint: error.hint, exit };
  }
  if (error instanceof Fault) {
    return { code: error.exit, message: error.message, hint: error.hint, exit };
  }
  if (error instanceof Violation) {
    const hint = "run `sesame doctor`; something that is not the bus may have answered";
    return { code: error.rule, message: error.message, hint, exit };
  }
  const message = `internal failure: ${anonymous(error)}`;
  return { code: "fault", message, hint: "this is a defect of sesame: please report it", exit };
}

/** True if the stream may be coloured. no-color.org: an empty NO_COLOR counts as unset. */
export function mayColour(
  stream: { readonly isTTY?: boolean | undefined },
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  const { NO_COLOR: noColour = "", TERM: terminal = "" } = environment;
  return stream.isTTY === true && noColour === "" && terminal !== "dumb";
}

const SGR = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

/** The text in a colour or weight (ECMA-48 SGR), or as it is. */
export function paint(text: string, look: keyof typeof SGR, colour: boolean): string {
  return colour ? `\u{1b}[${SGR[look]}m${text}\u{1b}[0m` : text;
}

/**
 * Aligned columns, two blanks apart, with no blanks at line ends.
 *
 * @param rows - cells of any origin: they are made safe here; each row as long as `header`
 * @returns the header and the rows as lines; empty if there are no rows
 */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return "";
  const lines = [header, ...rows].map((cells) => cells.map(printable));
  const widths = header.map((_, column) => {
    return lines.reduce((most, cells) => Math.max(most, width(cells[column] ?? "")), 0);
  });
  const pad = (cell: string, column: number): string => {
    return cell + " ".repeat((widths[column] ?? 0) - width(cell));
  };
  return lines.map((cells) => cells.map(pad).join("  ").trimEnd()).join("\n");
}

function exitClassOf(error: unknown): ExitClass {
  if (error instanceof Denial) return DENIALS[error.code].exit;
  if (error instanceof Fault) return error.exit;
  return error instanceof Violation ? "integrity" : "fault";
}

function anonymous(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { name, message, stack = "" } = error;
  const code = "code" in error && typeof error.code === "string" ? ` ${error.code}` : "";
  const frames = stack.slice(stack.indexOf(message) + message.length);
  const place = /^ +(at .+)$/m.exec(frames)?.[1] ?? "at an unknown place";
  return `${name}${code} ${place}`;
}

/** Code points: names here are ASCII, and terminals disagree about the rest. */
function width(text: string): number {
  return [...text].length;
}
