// The BLAKE3 part of hash-wasm alone: a tenth of the whole package to load.
declare module "hash-wasm/dist/blake3.umd.min.js" {
  import type { createBLAKE3 } from "hash-wasm";
  const part: { createBLAKE3: typeof createBLAKE3 };
  export default part;
}
