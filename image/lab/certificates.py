"""Certificates of an authority of the lab's own, made when they are needed."""

from __future__ import annotations

from pathlib import Path

from image.run import run

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_DAYS = ("-days", "2")


def authority(folder: Path) -> Path:
    """Make an authority, and give its certificate; its key is beside it."""
    made = folder / "authority.pem"
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
    keyout = ("-keyout", made.with_suffix(".key"), "-out", made)
    run(["openssl", "req", "-x509", *_KEY, *_DAYS, "-subj", "/CN=The lab's authority", *usage, *keyout])
    return made


def certificate(issuer: Path, host: str, *others: str) -> Path:
    """A certificate for a host and its other names, issued by an authority; the file has the host's key as well."""
    made = issuer.with_name(f"{host}.pem")
    alternatives = ",".join(f"DNS:{name}" for name in (host, *others))
    names = ("-addext", f"subjectAltName={alternatives}", "-addext", "basicConstraints=critical,CA:FALSE")
    by = ("-CA", issuer, "-CAkey", issuer.with_suffix(".key"))
    key = made.with_suffix(".key")
    run(["openssl", "req", "-x509", *_KEY, *_DAYS, "-subj", f"/CN={host}", *names, *by, "-keyout", key, "-out", made])
    made.write_bytes(key.read_bytes() + made.read_bytes())
    return made
