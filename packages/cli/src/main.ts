import { exitCodeOf, mayColour, renderError, renderOutcome } from "./render.ts";

const argv = process.argv.slice(2);
// Known before parsing, so that a usage error is machine-readable too.
const asked = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : argv.length);

async function main(): Promise<number> {
  const { parse } = await import("./parse.ts");
  const request = await parse(argv);
  if (request === null) return 0;
  const { command, words, flags, json } = request;
  const outcome = await command.run({ env: process.env, json }, words, flags);
  if (outcome.data !== undefined) process.stdout.write(renderOutcome(outcome, json));
  return Number(process.exitCode ?? 0);
}

// A reader that closes the pipe has seen enough.
process.stdout.on("error", (cause: NodeJS.ErrnoException) => {
  process.exit(cause.code === "EPIPE" ? 0 : 74);
});

main().then(
  (code) => {
    process.exitCode = code;
  },
  (cause: unknown) => {
    const style = { json: asked.includes("--json"), colour: mayColour(process.stderr, process.env) };
    process.stderr.write(renderError(cause, style));
    const status = (cause as { readonly status?: unknown }).status;
    process.exitCode = typeof status === "number" ? status : exitCodeOf(cause);
  },
);
