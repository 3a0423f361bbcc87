export { Handshake, type HandshakeOptions, type Transport } from "./noise/handshake.ts";
export { CipherState } from "./noise/cipher-state.ts";
