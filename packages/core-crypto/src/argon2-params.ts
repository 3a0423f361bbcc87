/** Cost of Argon2id. RFC 9106 §3.1 */
export interface Argon2Params {
  /** Memory in KiB, 8 per lane at least. */
  readonly memoryKiB: number;
  readonly passes: number;
  /** Degree of parallelism. */
  readonly lanes: number;
}

/** What new boxes and vault factors use. */
export const ARGON2_DEFAULT: Argon2Params = { memoryKiB: 65_536, passes: 3, lanes: 4 };

const MAX_MEMORY_KIB = 1_048_576;
const MAX_PASSES = 16;
const MAX_LANES = 16;

/** True if the cost lies in what this project spends at most: 1 GiB, 16 passes, 16 lanes. */
export function isArgon2Params({ memoryKiB, passes, lanes }: Argon2Params): boolean {
  return (
    isWithin(lanes, 1, MAX_LANES) &&
    isWithin(passes, 1, MAX_PASSES) &&
    isWithin(memoryKiB, 8 * lanes, MAX_MEMORY_KIB)
  );
}

/** Throws RangeError for a cost out of bounds, before anything is allocated. */
export function expectArgon2Params(params: Argon2Params): void {
  if (!isArgon2Params(params)) throw new RangeError("Argon2id parameters are out of bounds");
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}
