/** A change of one source file: where the defence was, what is there without it. */
export type Change = {
  /** From the root of the repository. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly from: string;
  readonly to: string;
};

/** One defence, how it is taken away, and the test that has to fail then. */
export type Row = Change & {
  /** What is defended, or what an attacker gains without it; one sentence. */
  readonly defence: string;
  /** Second lines that hold by themselves: they are taken away together with the first. */
  readonly also?: readonly Change[];
  readonly test: {
    readonly file: string;
    /** As it stands between the quotes. */
    readonly title: string;
  };
  /** Where no assertion of the test fails, but a step of it: words of that error. */
  readonly fails?: string;
};

export function changesOf(row: Row): readonly Change[] {
  return [row, ...(row.also ?? [])];
}

/** Where the change belongs; or why that cannot be said. */
export function placeOf(text: string, { from }: Change): number | "lacks" | "has more than once" {
  const at = text.indexOf(from);
  if (at < 0) return "lacks";
  return text.includes(from, at + 1) ? "has more than once" : at;
}

/** @throws {Error} unless the place is there, once */
export function changed(text: string, change: Change): string {
  const { file, from, to } = change;
  const at = placeOf(text, change);
  if (typeof at !== "number") throw new Error(`${file} ${at}: ${from}`);
  return text.slice(0, at) + to + text.slice(at + from.length);
}

/** The test and the source of a name in a folder. */
export function inFolder(folder: string): (name: string) => [string, string] {
  return (name) => [`${folder}/${name}.test.ts`, `${folder}/${name}.ts`];
}

type Short = Omit<Row, "file" | "test"> & { readonly title: string; readonly file?: string };

/** Rows of one test file; what they take away is in one source file, unless they say otherwise. */
export function rows(test: string, file: string, given: readonly Short[]): Row[] {
  return given.map(({ title, ...row }) => ({ file, ...row, test: { file: test, title } }));
}
