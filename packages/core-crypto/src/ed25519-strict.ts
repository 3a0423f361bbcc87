import { KEY_BYTES, SIGNATURE_BYTES } from "./bytes.ts";

// Every y of a point whose order divides 8, little-endian without the sign bit: 0, 1, p - 1, the
// two of order 8, and 0 and 1 written as p and p + 1.
const SMALL_ORDER_Y = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/**
 * What every provider asks before it verifies: the lengths, and no key or nonce of small order.
 * Libraries differ in these cases, and a key of small order has signatures that fit many messages.
 * Other points that are not canonical need no check: nobody knows their private key.
 */
export function isStrictEd25519(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return (
    publicKey.length === KEY_BYTES &&
    signature.length === SIGNATURE_BYTES &&
    !hasSmallOrder(publicKey) &&
    !hasSmallOrder(signature.subarray(0, KEY_BYTES))
  );
}

function hasSmallOrder(point: Uint8Array): boolean {
  const y = Buffer.from(point);
  y[31] = (y[31] ?? 0) & 0x7f;
  return SMALL_ORDER_Y.has(y.toString("hex"));
}
