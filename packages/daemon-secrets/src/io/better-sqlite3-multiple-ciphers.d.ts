// The package's own declarations are not among its exports. This is what is used of it.
declare module "better-sqlite3-multiple-ciphers" {
  export interface Statement<Parameters extends unknown[], Row> {
    run(...parameters: Parameters): { readonly changes: number };
    get(...parameters: Parameters): Row | undefined;
    all(...parameters: Parameters): Row[];
  }

  export default class Database {
    constructor(path: string, options: { fileMustExist: boolean; timeout: number });
    /** `x'…'` is a raw key, anything else a passphrase. The bytes are copied. */
    key(key: Buffer): number;
    pragma(source: string): unknown;
    exec(source: string): this;
    prepare<Parameters extends unknown[] = unknown[], Row = unknown>(
      source: string,
    ): Statement<Parameters, Row>;
    transaction<Arguments extends unknown[], Result>(
      work: (...given: Arguments) => Result,
    ): {
      (...given: Arguments): Result;
      immediate(...given: Arguments): Result;
    };
    close(): this;
  }
}
