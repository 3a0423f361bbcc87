import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Clock, Denial } from "@sesame/core-types";
import {
  attempted,
  parseThrottle,
  type Throttle,
  throttleText,
  waitMs,
} from "../vault/throttle.ts";
import { readBounded, replaceFile } from "./durable-file.ts";
import { storing } from "./storage-error.ts";

const MAX_THROTTLE_BYTES = 64;

/** The throttles of all vaults of a directory, kept across restarts in `<profile>.throttle`. */
export class Throttles {
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #known = new Map<string, Throttle>();

  constructor(directory: string, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
    this.#startedMs = clock.monotonicMs();
  }

  /** Milliseconds until the next try on a vault, 0 to 60 000. */
  waitMs(profile: string): number {
    return Math.ceil(waitMs(this.#throttle(profile), this.#clock.monotonicMs()));
  }

  /**
   * Counts a try, on disk, before it is made.
   *
   * @throws {Denial} throttled, storage-failed; then it must not be made
   */
  begin(profile: string): void {
    const wait = this.waitMs(profile);
    if (wait > 0) throw new Denial("throttled", String(Math.ceil(wait / 1_000)), wait);
    const next = attempted(this.#throttle(profile), this.#clock.monotonicMs());
    storing(profile, () => replaceFile(this.#path(profile), throttleText(next)));
    this.#known.set(profile, next);
  }

  /** Forgets the tries. If a crash brings the file back, it costs one short wait. */
  succeed(profile: string): void {
    storing(profile, () => rmSync(this.#path(profile), { force: true }));
    this.#known.delete(profile);
  }

  #throttle(profile: string): Throttle {
    const known = this.#known.get(profile);
    if (known !== undefined) return known;
    const loaded = { failures: this.#load(profile), sinceMs: this.#startedMs };
    this.#known.set(profile, loaded);
    return loaded;
  }

  #load(profile: string): number {
    const path = this.#path(profile);
    return storing(profile, () => {
      const text = readBounded(path, MAX_THROTTLE_BYTES);
      if (text === undefined) return 0;
      const failures = text === null ? null : parseThrottle(text);
      if (failures === null) renameSync(path, `${path}.corrupt`);
      return failures ?? 0;
    });
  }

  #path(profile: string): string {
    return join(this.#directory, `${profile}.throttle`);
  }
}
