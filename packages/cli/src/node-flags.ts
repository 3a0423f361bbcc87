// With which flags Node runs the programs of this project.

/** SIGUSR1 would open Node's inspector to every process of this user. */
export const NODE_FLAGS = ["--disable-sigusr1", "--no-warnings"] as const;

/**
 * As NODE_FLAGS, for daemons: what V8 takes for young objects during a burst it keeps, so that is
 * bounded. MiB of each half; test/bench/README.md has what it saves and costs.
 */
export const DAEMON_FLAGS = [...NODE_FLAGS, "--max-semi-space-size=4"] as const;
