"""BLAKE3 in plain Python, hashes only: for verify-export.py, since Debian has no package of it."""
import struct

IV = struct.unpack("<8I", bytes.fromhex(
    "67e6096a85ae67bb72f36e3c3af54fa57f520e518c68059babd9831f19cde05b"))
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
MIXES = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
START, END, PARENT, ROOT, CHUNK = 1, 2, 4, 8, 1024


def compress(value, block, counter, length, flags):
    v = [*value, *IV[:4], counter & 0xFFFFFFFF, counter >> 32, length, flags]
    m = struct.unpack("<16I", block.ljust(64, b"\0"))
    for _ in range(7):
        for i, (a, b, c, d) in enumerate(MIXES):
            for word, right, left in ((m[2 * i], 16, 12), (m[2 * i + 1], 8, 7)):
                v[a] = (v[a] + v[b] + word) & 0xFFFFFFFF
                x = v[d] ^ v[a]
                v[d] = x >> right | x << 32 - right & 0xFFFFFFFF
                v[c] = (v[c] + v[d]) & 0xFFFFFFFF
                x = v[b] ^ v[c]
                v[b] = x >> left | x << 32 - left & 0xFFFFFFFF
        m = [m[i] for i in ORDER]
    return [v[i] ^ v[i + 8] for i in range(8)]


def tree(data, counter, root):
    if len(data) > CHUNK:
        left = CHUNK << ((len(data) - 1) // CHUNK).bit_length() - 1
        both = tree(data[:left], counter, 0) + tree(data[left:], counter + left // CHUNK, 0)
        return compress(IV, struct.pack("<16I", *both), 0, 64, PARENT | root)
    value, last = IV, max(0, len(data) - 1) // 64
    for i in range(last + 1):
        block = data[64 * i:64 * i + 64]
        flags = (START if i == 0 else 0) | (END | root if i == last else 0)
        value = compress(value, block, counter, len(block), flags)
    return value


def hexdigest(data):
    return struct.pack("<8I", *tree(data, 0, ROOT)).hex()
