import { Command as Parser, CommanderError } from "commander";
import { Fault, RELEASE } from "@sesame/core-types";
import { COMMANDS, type Command, type Flags } from "./commands.ts";

/** What a command line asks for. */
export type Request = {
  readonly command: Command;
  readonly words: readonly string[];
  readonly flags: Flags;
  readonly json: boolean;
};

/**
 * Reads a command line.
 *
 * @returns null if help or the version was printed
 * @throws {Fault} usage
 */
export async function parse(argv: readonly string[]): Promise<Request | null> {
  const chosen: Request[] = [];
  const program = build((request) => chosen.push(request));
  try {
    await program.parseAsync([...argv], { from: "user" });
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    if (cause.exitCode === 0) return null;
    throw new Fault(
      "usage",
      cause.message.replace(/^error: /, ""),
      "`sesame help` shows the commands; `sesame COMMAND --help` its flags",
    );
  }
  return chosen[0] ?? null;
}

/** The whole command tree, for parsing, help and documentation. */
export function build(choose: (request: Request) => void): Parser {
  const program = new Parser("sesame")
    .description("the local trust layer: secrets for commands, on the record")
    .version(RELEASE)
    .option("--json", "machine-readable output")
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  for (const command of COMMANDS) add(program, command, choose);
  return program;
}

function add(program: Parser, command: Command, choose: (request: Request) => void): void {
  const words = command.usage.split(" ");
  const end = words.findIndex((word) => word.startsWith("<"));
  const names = end === -1 ? words : words.slice(0, end);
  let parent = program;
  for (const name of names.slice(0, -1)) {
    parent =
      parent.commands.find((candidate) => candidate.name() === name) ??
      (name === "help" ? program.command("help") : program.command(name)).exitOverride();
  }
  const leaf = parent
    .command([names.at(-1), ...(end === -1 ? [] : words.slice(end))].join(" "))
    .description(command.summary)
    .option("--json", "machine-readable output")
    .exitOverride();
  for (const [flag, about, preset] of command.flags ?? []) leaf.option(flag, about, preset);
  if (command.passThrough === true) leaf.passThroughOptions();
  leaf.action((...given: unknown[]) => {
    const flags = leaf.optsWithGlobals<Flags>();
    const positional = given.slice(0, -2).flat() as string[];
    choose({ command, words: positional, flags, json: flags["json"] === true });
  });
}
