import { addon } from "./load.ts";

/**
 * Sends one datagram of the service notification protocol (sd_notify(3)), without blocking.
 *
 * @param socketPath absolute path, or `@name` for an abstract socket; at most 107 bytes.
 * @param message lines such as `READY=1`; 1 to 4096 bytes.
 * @throws `ENOENT`, `ECONNREFUSED`, `EACCES`, `EAGAIN` (the receiver's queue is full),
 * `ENAMETOOLONG` (either argument), `EAFNOSUPPORT` (path not absolute), `ERR_INVALID_ARG_VALUE`.
 */
export function notify(socketPath: string, message: string): void {
  addon().notify(socketPath, message);
}

/**
 * Tells the service manager about this process, where there is a manager.
 *
 * @param state lines such as `READY=1`, `WATCHDOG=1`, `STOPPING=1`, `STATUS=text`.
 * @returns false without NOTIFY_SOCKET, true once the manager's socket has the message.
 * @throws as {@link notify}.
 */
export function sdNotify(
  state: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): boolean {
  const socketPath = env["NOTIFY_SOCKET"];
  if (socketPath === undefined || socketPath === "") return false;
  notify(socketPath, state);
  return true;
}
