import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";

/** What was on a terminal, and how the program on it ended. */
export type Session = {
  readonly pid: number;
  /** Exit code; minus the signal if one ended it. */
  readonly exit: number;
  /** Everything that the terminal showed. */
  readonly shown: string;
  /** Whether the terminal echoed at each step, and at the end. */
  readonly echo: readonly boolean[];
};

/** Waits until the text is shown, then types. */
export type Step = readonly [shown: string, typed: string];

const PROGRAM = String.raw`
import json, os, pty, select, sys, termios
spec = json.load(sys.stdin)
pid, fd = pty.fork()
if pid == 0:
    os.chdir(spec["cwd"])
    os.execve(spec["argv"][0], spec["argv"], spec["env"])
out, seen, echo = b"", 0, []
def read():
    global out
    ready, _, _ = select.select([fd], [], [], 30)
    if not ready:
        sys.exit("nothing more was shown after: %r" % out)
    try:
        more = os.read(fd, 65536)
    except OSError:
        more = b""
    out += more
    return len(more) > 0
def note():
    echo.append(bool(termios.tcgetattr(fd)[3] & termios.ECHO))
for mark, typed in spec["steps"]:
    while mark.encode() not in out[seen:]:
        if not read():
            sys.exit("%r was not shown: %r" % (mark, out))
    seen = out.index(mark.encode(), seen) + len(mark.encode())
    note()
    os.write(fd, typed.encode())
while read():
    pass
note()
_, status = os.waitpid(pid, 0)
print(json.dumps({"pid": pid, "exit": os.waitstatus_to_exitcode(status),
    "shown": out.decode(), "echo": echo}))
`;

/** Runs a program on a terminal of its own, which it controls. */
export async function onTerminal(
  argv: readonly string[],
  options: { readonly env: Readonly<Record<string, string>>; readonly cwd: string },
  steps: readonly Step[] = [],
): Promise<Session> {
  const python = spawn("python3", ["-c", PROGRAM], { stdio: ["pipe", "pipe", "pipe"] });
  python.stdin.end(JSON.stringify({ argv, ...options, steps }));
  const [out, err] = await Promise.all([text(python.stdout), text(python.stderr)]);
  if (err !== "") throw new Error(err);
  return JSON.parse(out) as Session;
}
