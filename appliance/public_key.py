"""Reading ssh public keys: decoded, so that one that lost its end in copying is found here.

The format is RFC 4253, section 6.6 (and RFC 8709, RFC 5656, OpenSSH's PROTOCOL.u2f): base64 of fields,
each with its length in four bytes before it, the first of which repeats the key's type.
"""

from __future__ import annotations

import base64
import binascii

FIELDS = {  # how many fields follow the type
    "ssh-ed25519": 1,
    "ssh-rsa": 2,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}
KINDS = "|".join(FIELDS).replace(".", r"\.")
PATTERN = rf"^({KINDS}) +[A-Za-z0-9+/]+=*( .*)?$"
ED25519_BYTES = 32


def ssh_public_key(text: str) -> str:
    """Read one line of a .pub file; gives `type base64 comment` with single spaces between them.

    No message shows anything of a text that may be a private key.
    """
    if "PRIVATE KEY" in text:
        raise ValueError(
            "this is a PRIVATE key: remove it from this file, and use a new pair if anybody may have seen it; "
            "the public one is in the file whose name ends in .pub"
        )
    text = text.replace("\t", " ").strip()
    if not text.isprintable():
        raise ValueError("a public key is one line")
    kind, _, rest = text.partition(" ")
    body, _, comment = rest.strip().partition(" ")
    if kind == "ssh-dss":
        raise ValueError("DSA keys are no longer accepted by ssh; make one with: ssh-keygen -t ed25519")
    if kind not in FIELDS:
        raise ValueError(_strange_beginning(text))
    if not body:
        raise ValueError(f'after "{kind}" the key itself is missing')
    _check_body(kind, body)
    return " ".join(filter(None, (kind, body, comment.strip())))


def _check_body(kind: str, body: str) -> None:
    cut_off = ValueError(f"this {kind} key is damaged or cut off: copy the whole line of the .pub file again")
    try:
        fields = _fields(base64.b64decode(body, validate=True))
    except (binascii.Error, ValueError):
        raise cut_off from None
    if not fields or fields[0] != kind.encode():
        raise ValueError(f'the key says that it is of another type than "{kind}": copy the whole line again')
    if len(fields) != 1 + FIELDS[kind] or not all(fields):
        raise cut_off
    if kind.endswith("ssh-ed25519") and len(fields[1]) != ED25519_BYTES:
        raise cut_off


def _fields(blob: bytes) -> list[bytes]:
    fields = []
    while blob:
        size = int.from_bytes(blob[:4], "big")
        field, blob = blob[4 : 4 + size], blob[4 + size :]
        if len(field) != size:
            raise ValueError("the last field is cut off")
        fields.append(field)
    return fields


def _strange_beginning(text: str) -> str:
    if any(f" {kind} AAAA" in text for kind in FIELDS):
        return "options before the key are not supported: begin with its type"
    if text.startswith("AAAA"):
        return "the key's type is missing before it: copy the whole line of the .pub file"
    if text.startswith(("SHA256:", "MD5:")):
        return "this is a key's fingerprint, not the key"
    if text.endswith(".pub"):
        return "this is a file's name: the line inside that file is wanted"
    return "this is not an ssh public key"
