import { readFileSync } from "node:fs";

/**
 * True if an opened file lies where root alone decides what it holds. Whoever mounts a file system
 * says which owner, mode and content its files have, each time anew if it is FUSE. What the system
 * lets users mount is `nosuid`; FUSE is never trusted. proc_pid_mountinfo(5), proc_pid_fdinfo(5)
 */
export function isOnRootsMount(fd: number): boolean {
  const id = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
  return id !== undefined && isRootsMount(readFileSync("/proc/self/mountinfo", "latin1"), id);
}

/** Of a mount in a list of mounts; false where it is not in it. */
export function isRootsMount(mountinfo: string, id: string): boolean {
  const mount = mountinfo.split("\n").find((line) => line.startsWith(`${id} `));
  // Blanks within a field are escaped.
  const fields = mount?.split(" ") ?? [];
  const options = fields[5]?.split(",") ?? [];
  const [dash, type = ""] = fields.slice(fields.indexOf("-", 6));
  return dash === "-" && !options.includes("nosuid") && !type.startsWith("fuse");
}
