import { closeSync, readdirSync, readFileSync } from "node:fs";

const STDERR = 2;
/** open(2); shown in octal among the flags of proc_pid_fdinfo(5). */
const O_CLOEXEC = 0o2000000;

/**
 * Closes what this process inherited without having been given it: a shell's `>(tee log)` is a
 * pipe on descriptor 63, and tee would wait for its end as long as the daemons run. Node opens all
 * of its own with O_CLOEXEC and sets it on what it inherits, but only up to the first unused
 * number beyond 15; so whatever lacks the flag here came from outside.
 */
export function closeInherited(): void {
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    if (fd > STDERR && !closesOnExec(fd)) closeSync(fd);
  }
}

/** True for one that is gone, too, such as that of the listing itself. */
function closesOnExec(fd: number): boolean {
  try {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"));
    return (parseInt(flags?.[1] ?? "0", 8) & O_CLOEXEC) !== 0;
  } catch {
    return true;
  }
}
