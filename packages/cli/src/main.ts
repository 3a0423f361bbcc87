import { isatty } from "node:tty";
import { OPERATOR } from "@sesame/core-types";
import { COMMANDS } from "./commands.ts";
import { print } from "./io/print.ts";
import { quickParse } from "./quick.ts";
import { exitCodeOf, mayColour, renderError, renderOutcome } from "./render.ts";

const argv = process.argv.slice(2);
// Known before parsing, so that a usage error is machine-readable too.
const asked = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : argv.length);

async function main(): Promise<number> {
  const request = quickParse(COMMANDS, argv) ?? (await (await import("./parse.ts")).parse(argv));
  if (request === null) return 0;
  const { command, words, flags, json } = request;
  const { env } = process;
  const identity = String(flags["as"] ?? (env["SESAME_IDENTITY"] || OPERATOR));
  const outcome = await command.run({ env, json, identity }, words, flags);
  if (outcome.data !== undefined) print(1, renderOutcome(outcome, json));
  return Number(process.exitCode ?? 0);
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (cause: unknown) => {
    const colour = mayColour({ isTTY: isatty(2) }, process.env);
    print(2, renderError(cause, { json: asked.includes("--json"), colour }));
    const status = (cause as { readonly status?: unknown }).status;
    process.exitCode = typeof status === "number" ? status : exitCodeOf(cause);
  },
);
