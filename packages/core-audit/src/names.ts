// Names of the files in the directory of a log. docs/AUDIT.md, Layout.

const SEGMENT = /^(?<number>\d{6,15})\.jsonl$/;
const TORN = /^torn-(?<sequence>\d{1,16})\.bin$/;

export function segmentName(number: number): string {
  return `${String(number).padStart(6, "0")}.jsonl`;
}

export function isSegment(name: string): boolean {
  return SEGMENT.test(name);
}

/** A file that becomes `name` when it is whole. */
export function draftName(name: string): string {
  return `${name}.draft`;
}

export function isDraft(name: string): boolean {
  return name.endsWith(".jsonl.draft") || name.endsWith(".bin.draft");
}

/** Bytes that a crash left where entry `sequence` was to be. */
export function tornName(sequence: number): string {
  return `torn-${sequence}.bin`;
}

export function isTorn(name: string): boolean {
  return TORN.test(name);
}

/** Numbers of the segments among the names, ascending. */
export function segmentNumbers(names: readonly string[]): number[] {
  return names
    .map((name) => Number(SEGMENT.exec(name)?.groups?.["number"] ?? 0))
    .filter((number, i) => number > 0 && names[i] === segmentName(number))
    .toSorted((a, b) => a - b);
}

/** The lowest number that is missing among 1 … last, or null. */
export function missingSegment(numbers: readonly number[]): number | null {
  const hole = numbers.findIndex((number, i) => number !== i + 1);
  return hole === -1 ? null : hole + 1;
}
