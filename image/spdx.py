"""A software bill of materials as SPDX 2.3 in JSON (https://spdx.github.io/spdx-spec/v2.3/)."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from image.debian.installed import Archive, Identity, Package, identity

UNKNOWN = "NOASSERTION"
DOCUMENT, IMAGE, DAEMON = "SPDXRef-DOCUMENT", "SPDXRef-image", "SPDXRef-appliance"

ORGANISATIONS = re.compile(
    r"@(?:[\w-]*lists\.|tracker\.debian\.org|packages\.debian\.org)|\b(?:team|group|maintainers|developers)\b",
    re.IGNORECASE,
)
"""In a maintainer's name or address: several people, whom a mailing list reaches."""


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What is in an image."""

    name: str
    """The image's."""
    system: str
    """ID in os-release(5): debian or raspbian."""
    release: str
    """Its codename."""
    packages: Sequence[Package]
    archives: Mapping[Identity, Archive]
    """Of the packages whose .deb is known."""
    licences: Mapping[str, str]
    """SPDX expressions by the packages' names, of those that are known for certain."""
    epoch: int
    """When it was made, in seconds since 1970."""


def document(bill: Bill) -> str:
    """The document's text: the same for the same bill."""
    contained = [_package(package, bill) for package in bill.packages]
    packages = [_image(bill), _daemon(), *contained]
    inside = [DAEMON, *(package["SPDXID"] for package in contained)]
    body = {
        "packages": packages,
        "relationships": [
            _related(DOCUMENT, "DESCRIBES", IMAGE),
            *(_related(IMAGE, "CONTAINS", part) for part in inside),
        ],
    }
    head = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": bill.name,
        "documentNamespace": _namespace(bill, body),
        "creationInfo": {"created": _time(bill.epoch), "creators": ["Tool: appliance"]},
    }
    return json.dumps(head | body, indent=1, ensure_ascii=False) + "\n"


def purl(package: Package, system: str, release: str) -> str:
    """The package's URL, by https://github.com/package-url/purl-spec, type deb."""
    version = quote(package.version, safe=":~")
    return f"pkg:deb/{system}/{quote(package.name)}@{version}?arch={package.architecture}&distro={release}"


def _image(bill: Bill) -> dict[str, object]:
    return {
        "SPDXID": IMAGE,
        "name": bill.name,
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": False,
        "primaryPackagePurpose": "OPERATING_SYSTEM",
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": UNKNOWN,
        "copyrightText": UNKNOWN,
    }


def _daemon() -> dict[str, object]:
    """Our own, of which dpkg knows nothing."""
    return {
        "SPDXID": DAEMON,
        "name": "appliance",
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": False,
        "sourceInfo": "the daemon in /usr/lib/appliance and its configuration, installed by what built the image",
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": UNKNOWN,
        "copyrightText": UNKNOWN,
    }


def _package(package: Package, bill: Bill) -> dict[str, object]:
    archive = bill.archives.get(identity(package))
    known: dict[str, object] = {}
    if archive is not None:
        known["packageFileName"] = archive.path
        known["checksums"] = [{"algorithm": "SHA256", "checksumValue": archive.sha256}]
    return {
        # An identifier has no plus sign, and a package's name no capital letter.
        "SPDXID": f"SPDXRef-deb-{package.architecture}-{package.name.replace('+', 'P')}",
        "name": package.name,
        "versionInfo": package.version,
        "supplier": _supplier(package.maintainer),
        "downloadLocation": UNKNOWN,  # the mirror is the builder's own affair; packageFileName is the same on all
        **known,
        "filesAnalyzed": False,
        "sourceInfo": f"built from the source package {package.source} {package.source_version}",
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": bill.licences.get(package.name, UNKNOWN),
        "copyrightText": UNKNOWN,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl(package, bill.system, bill.release),
            }
        ],
    }


def _supplier(maintainer: str) -> str:
    if not maintainer:
        return UNKNOWN
    name, _, address = maintainer.rstrip(">").rpartition(" <") if " <" in maintainer else (maintainer, "", "")
    kind = "Organization" if ORGANISATIONS.search(maintainer) else "Person"
    return f"{kind}: {name} ({address})" if address else f"{kind}: {name}"


def _related(one: str, how: str, other: object) -> dict[str, object]:
    return {"spdxElementId": one, "relationshipType": how, "relatedSpdxElement": other}


def _namespace(bill: Bill, body: Mapping[str, object]) -> str:
    """Different for documents that differ: an address that nobody need be able to ask (SPDX 2.3, 6.5)."""
    digest = hashlib.sha256(json.dumps([bill.epoch, body], sort_keys=True).encode()).hexdigest()
    return f"https://spdx.org/spdxdocs/{bill.name}-{uuid.uuid5(uuid.NAMESPACE_URL, digest)}"


def _time(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
