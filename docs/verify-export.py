"""Checks what `sesame audit export` wrote: docs/AUDIT.md, section 13. Needs python3-nacl.
usage: verify-export.py FILE EXPORTER-KEY WRITER-KEY[,...]   (Ed25519, hex; known from elsewhere)"""
import base64, hashlib, json, struct, sys
from nacl.signing import VerifyKey
import blake3_plain
TYPE = b"application/vnd.sesame.audit-export.v2+jsonl"
HASHES = {"blake3": blake3_plain.hexdigest, "sha256": lambda b: hashlib.sha256(b).hexdigest()}
def check(good, what):
    if not good: sys.exit("NOT GOOD: " + what)
def unique(members):
    check(len(dict(members)) == len(members), "a member stands there twice")
    return dict(members)
def signed(key, message, signature, what):
    try: VerifyKey(bytes.fromhex(key)).verify(message, signature)
    except Exception: check(False, what + " is not signed by this key")
def checkpoint(seq, digest, time, signature, what):
    fields = bytes.fromhex(head["installation"]), seq, bytes.fromhex(digest), time
    message = b"sesame audit checkpoint v1" + struct.pack(">16sQ32sQ", *fields)
    writer = [key for start, key in writers if start <= seq][-1]
    signed(writer, message, bytes.fromhex(signature), what)
path, exporter, keys = sys.argv[1:]
envelope = json.load(open(path, encoding="utf-8"), object_pairs_hook=unique)
body = base64.b64decode(envelope["payload"], validate=True)
signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
signed(exporter, b"DSSEv1 %d %b %d %b" % (len(TYPE), TYPE, len(body), body), signature, "the file")
lines = body.removesuffix(b"\n").split(b"\n")
head, *entries = (json.loads(line, object_pairs_hook=unique) for line in lines)
writers = [(writer["from"], writer["key"]) for writer in head["writers"]]
check((head["version"], [key for _, key in writers]) == (2, keys.split(",")),
      "another version, or another log")
check(writers[0][0] == 1 and sorted(writers) == writers, "its keys are out of order")
hashes, proved, changes = {}, 0, dict(writers[1:])
for seq, (entry, line) in enumerate(zip(entries, lines[1:]), head["from"]):
    text, control = line[:line.rindex(b',"hash":"')], entry.get("control", {})
    prev = hashes.get(seq - 1, "0" * 64 if seq == 1 else entry["prev"])
    check((entry["seq"], entry["prev"]) == (seq, prev), f"entry {seq} does not follow")
    check(seq > 1 or control["installation"] == head["installation"], "another installation")
    check(control.get("key") == changes.get(seq), f"entry {seq} does not change the key as told")
    hashes[seq] = HASHES[head["algorithm"]](b"sesame audit entry v1" + text)
    check(line == text + b',"hash":"%b"}' % hashes[seq].encode(), f"entry {seq} was changed")
    if control.get("type") == "checkpoint":
        checkpoint(seq - 1, prev, entry["time"], control["signature"], f"entry {seq}")
        proved = seq
check(entries and seq == head["to"], "entries are missing at the end")
for a in head["anchors"]:
    checkpoint(a["sequence"], a["hash"], a["time"], a["signature"], f"anchor {a['sequence']}")
    check(hashes.get(a["sequence"], a["hash"]) == a["hash"], f"anchor {a['sequence']} differs")
print(f"GOOD: entries {head['from']} to {seq}, signed in the log up to {proved}", *head["blind"], sep="\nnot seen: ")
