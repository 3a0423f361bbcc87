import { spawn } from "node:child_process";

/** Shows a notification on the desktop, where there is one; elsewhere nothing happens. */
export function notify(title: string, text: string): void {
  if ((process.env["DBUS_SESSION_BUS_ADDRESS"] ?? "") === "") return;
  const words = ["--app-name=sesame", "--urgency=critical", "--", title, text];
  const child = spawn("notify-send", words, { stdio: "ignore" });
  // Not installed, or nobody shows notifications: the terminal shows the same.
  child.on("error", () => undefined);
  child.unref();
}
