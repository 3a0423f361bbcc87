// The line that a person types without seeing it: bytes in, edited bytes out.
import { limits } from "@sesame/core-types";

/** What to do after a byte. */
export type Typed = "more" | "done" | "interrupted" | "end";

const CTRL_C = 0x03;
const CTRL_D = 0x04;
const BACKSPACE = 0x08;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const CTRL_U = 0x15;
const ESC = 0x1b;
const CTRL_BACKSLASH = 0x1c;
const SPACE = 0x20;
const DELETE = 0x7f;
const CSI = 0x5b;
const SS3 = 0x4f;

/**
 * Collects a typed line as bytes, never as a string. Backspace removes a whole UTF-8 character,
 * Ctrl-U everything; keys that send escape sequences (arrows) and other control keys are ignored.
 */
export class HiddenLine {
  readonly #buffer = new Uint8Array(new ArrayBuffer(limits.MAX_PASSWORD_BYTES));
  #length = 0;
  #overflowed = false;
  #sequence: "none" | "escape" | "csi" | "ss3" = "none";

  /** True if more bytes were typed than a password may have; the rest was dropped. */
  get overflowed(): boolean {
    return this.#overflowed;
  }

  /** What was typed so far: a view, wiped by `wipe`. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#length);
  }

  /** `end`: Ctrl-D on an empty line. Elsewhere Ctrl-D ends the line, as terminals do. */
  type(byte: number): Typed {
    if (this.#swallow(byte)) return "more";
    if (byte === CR || byte === LF) return "done";
    if (byte === CTRL_C || byte === CTRL_BACKSLASH) return "interrupted";
    if (byte === CTRL_D) return this.#length === 0 && !this.#overflowed ? "end" : "done";
    if (byte === CTRL_U) this.wipe();
    else if (byte === BACKSPACE || byte === DELETE) this.#erase();
    else if (byte >= SPACE || byte === TAB) this.#append(byte);
    return "more";
  }

  /** Forgets everything typed. */
  wipe(): void {
    this.#buffer.fill(0);
    this.#length = 0;
    this.#overflowed = false;
  }

  #append(byte: number): void {
    if (this.#length === this.#buffer.length) this.#overflowed = true;
    else this.#buffer[this.#length++] = byte;
  }

  #erase(): void {
    while (this.#length > 0) {
      this.#length -= 1;
      const byte = this.#buffer[this.#length] ?? 0;
      this.#buffer[this.#length] = 0;
      const continuation = (byte & 0b1100_0000) === 0b1000_0000;
      if (!continuation) return;
    }
  }

  /** ECMA-48 §5.4: ESC `[` parameters final; SS3 (ESC `O`) and one byte. */
  #swallow(byte: number): boolean {
    const within = this.#sequence;
    this.#sequence = "none";
    if (byte < SPACE && byte !== ESC) return false;
    if (byte === ESC) this.#sequence = "escape";
    else if (within === "escape" && byte === CSI) this.#sequence = "csi";
    else if (within === "escape" && byte === SS3) this.#sequence = "ss3";
    else if (within === "csi" && byte < 0x40) this.#sequence = "csi";
    else return within === "csi" || within === "ss3";
    return true;
  }
}
