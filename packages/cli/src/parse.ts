import { Command as Parser, CommanderError } from "commander";
import { Fault, RELEASE } from "@sesame/core-types";
import { COMMANDS, GROUPS, type Command, type Flags } from "./commands.ts";
import { isArgument } from "./quick.ts";

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
    await program.parseAsync([...asOptions(argv)], { from: "user" });
  } catch (cause) {
    if (!(cause instanceof CommanderError)) throw cause;
    if (cause.exitCode === 0) return null;
    throw new Fault(
      "usage",
      cause.code === "commander.help" ? incomplete(argv) : cause.message.replace(/^error: /, ""),
      "`sesame help` shows the commands; `sesame COMMAND --help` its flags",
    );
  }
  return chosen[0] ?? null;
}

/** `sesame`, `sesame help` and `sesame help COMMAND` ask for the same as the option. */
function asOptions(argv: readonly string[]): readonly string[] {
  const [first, second] = argv;
  if (first === undefined) return ["--help"];
  return first === "help" && second !== "exit-codes" ? [...argv.slice(1), "--help"] : argv;
}

/** For the first word or two of a command: what may follow. */
function incomplete(argv: readonly string[]): string {
  const group = argv.filter((word) => !word.startsWith("-")).join(" ");
  const next = COMMANDS.map(({ usage }) => usage)
    .filter((usage) => group === "" || usage.startsWith(`${group} `))
    .map((usage) => usage.slice(group.length).trim().split(" ")[0] ?? "");
  const what = group === "" ? "no command is given" : `\`sesame ${group}\` is not complete`;
  return `${what}: ${[...new Set(next)].join(", ")}`;
}

/** The whole command tree, for parsing, help and documentation. */
export function build(choose: (request: Request) => void): Parser {
  const program = new Parser("sesame")
    .description("the local trust layer: secrets for commands, on the record")
    .version(RELEASE)
    .option("--json", "machine-readable output")
    .option("--as <name>", "be this identity (else SESAME_IDENTITY, else the operator)")
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  for (const command of COMMANDS) add(program, command, choose);
  return program;
}

function add(program: Parser, command: Command, choose: (request: Request) => void): void {
  const words = command.usage.split(" ");
  const end = words.findIndex(isArgument);
  const names = end === -1 ? words : words.slice(0, end);
  let parent = program;
  names.slice(0, -1).forEach((name, i) => {
    parent =
      parent.commands.find((candidate) => candidate.name() === name) ??
      parent
        .command(name)
        .description(GROUPS[names.slice(0, i + 1).join(" ")] ?? "")
        .option("--json", "machine-readable output")
        .exitOverride();
  });
  const leaf = parent
    .command([names.at(-1), ...(end === -1 ? [] : words.slice(end))].join(" "))
    .summary(command.summary)
    .description(
      [command.summary, command.details].filter((text) => text !== undefined).join("\n\n"),
    )
    .option("--json", "machine-readable output")
    .exitOverride();
  for (const [flag, about, preset] of command.flags ?? []) leaf.option(flag, about, preset);
  if (command.passThrough === true) leaf.passThroughOptions();
  leaf.action((...given: unknown[]) => {
    const flags = leaf.optsWithGlobals<Flags>();
    // An optional argument that is not there is undefined.
    const positional = given
      .slice(0, -2)
      .flat()
      .filter((word) => word !== undefined) as string[];
    choose({ command, words: positional, flags, json: flags["json"] === true });
  });
}
