"""What is written of an image's packages beside it, by the real stages out of small roots and lists."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from packageurl import PackageURL
from spdx_tools.spdx.model.relationship import RelationshipType
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from image.cache.store import Store
from image.debian import copyright, installed
from image.events import Events
from image.recipe import Recipe
from image.stages import package_list, sbom
from tests.image.built import Rooted

STATUS = """\
Package: libstdc++6
Status: install ok installed
Maintainer: Debian GCC Maintainers <debian-gcc@lists.debian.org>
Architecture: arm64
Source: gcc-14 (14.2.0-19)
Version: 14.2.0-19+b1
Description: a library
 of which there is more to say.
 .
 Package: not-this-one

Package: attr
Status: hold ok installed
Maintainer: Somebody Else <somebody@example.org>
Architecture: arm64
Version: 1:2.5.2-3

Package: libstdc++6
Status: install ok triggers-pending
Architecture: armhf
Version: 14.2.0-19~deb13u1

Package: gone
Status: deinstall ok config-files
Architecture: arm64
Version: 1
"""

LISTED = """\
Package: attr
Version: 1:2.5.2-3
Architecture: arm64
Filename: pool/main/a/attr/attr_2.5.2-3_arm64.deb
SHA256: {attr}

Package: attr
Version: 1:2.5.2-4
Architecture: arm64
Filename: pool/main/a/attr/attr_2.5.2-4_arm64.deb
SHA256: {newer}

Package: libstdc++6
Version: 14.2.0-19+b1
Architecture: arm64
Filename: ./libstdc++6_14.2.0-19+b1_arm64.deb
SHA256: {gcc}
"""
ATTR, NEWER, GCC, OTHER = (digit * 64 for digit in "abcd")

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: attr
License: not-of-files

Files: *
Copyright: 2001 Somebody
License: GPL-2+ or Artistic
 The text.
 .
 Files: and more of it

Files: lib/*
License: LGPL-2.1+

License: WTFPL
 Of no file.
"""


@pytest.fixture
def work(recipe: Callable[..., Recipe], store: Store, tmp_path: Path) -> Rooted:
    root, index = tmp_path / "root", tmp_path / "index"
    texts = {
        root / "var/lib/dpkg/status": STATUS,
        root / "usr/lib/os-release": 'PRETTY_NAME="Debian"\nVERSION_CODENAME=trixie\nID=debian\n',
        root / "usr/share/doc/attr/copyright": COPYRIGHT,
        index / "date": "1700000000",
        index / "lists/debian_dists_trixie_main_binary-arm64_Packages": LISTED.format(attr=ATTR, newer=NEWER, gcc=GCC),
    }
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    there = tmp_path / "unused"
    return Rooted(recipe(), store, Events(io.StringIO()), there, there, there, {"index": index}, (), place=root)


def packages_of(work: Rooted) -> dict[str, dict[str, object]]:
    sbom.stage().make(work)
    return {package["SPDXID"]: package for package in json.loads(work.recipe.sbom.read_text())["packages"]}


def test_the_list_has_what_is_installed_sorted(work: Rooted) -> None:
    assert package_list.stage().make(work) == [work.recipe.package_list]
    assert work.recipe.package_list.read_text().splitlines() == [
        "attr 1:2.5.2-3 arm64",
        "libstdc++6 14.2.0-19+b1 arm64",
        "libstdc++6 14.2.0-19~deb13u1 armhf",
    ]
    assert package_list.names(work.recipe) == {"attr", "libstdc++6"}


def test_the_sbom_is_valid_and_has_every_package(work: Rooted) -> None:
    assert sbom.stage().make(work) == [work.recipe.sbom]
    document = parse_file(str(work.recipe.sbom))
    assert validate_full_spdx_document(document) == []
    assert document.creation_info.spdx_version == "SPDX-2.3"
    assert document.creation_info.created.timestamp() == 1_700_000_000
    inside = {
        one.related_spdx_element_id
        for one in document.relationships
        if (one.spdx_element_id, one.relationship_type) == ("SPDXRef-image", RelationshipType.CONTAINS)
    }
    described = [
        one.related_spdx_element_id
        for one in document.relationships
        if one.relationship_type is RelationshipType.DESCRIBES
    ]
    assert described == ["SPDXRef-image"]
    assert inside == {package.spdx_id for package in document.packages} - {"SPDXRef-image"}
    assert inside == {
        "SPDXRef-appliance",
        "SPDXRef-deb-arm64-attr",
        "SPDXRef-deb-arm64-libstdcPP6",
        "SPDXRef-deb-armhf-libstdcPP6",
    }


def test_what_is_known_of_a_package_is_in_the_sbom(work: Rooted) -> None:
    packages = packages_of(work)
    attr, gcc, old = (
        packages[f"SPDXRef-deb-{name}"] for name in ("arm64-attr", "arm64-libstdcPP6", "armhf-libstdcPP6")
    )
    assert (attr["versionInfo"], attr["supplier"]) == ("1:2.5.2-3", "Person: Somebody Else (somebody@example.org)")
    assert attr["checksums"] == [{"algorithm": "SHA256", "checksumValue": ATTR}]
    assert attr["packageFileName"] == "pool/main/a/attr/attr_2.5.2-3_arm64.deb"
    assert attr["licenseDeclared"] == "(GPL-2.0-or-later OR Artistic-1.0) AND LGPL-2.1-or-later"
    assert gcc["supplier"] == "Organization: Debian GCC Maintainers (debian-gcc@lists.debian.org)"
    assert gcc["sourceInfo"] == "built from the source package gcc-14 14.2.0-19"
    assert gcc["packageFileName"] == "libstdc++6_14.2.0-19+b1_arm64.deb"
    assert (old["supplier"], old["licenseDeclared"]) == ("NOASSERTION", "NOASSERTION")
    assert old.keys().isdisjoint({"checksums", "packageFileName"})


def test_the_package_urls_are_canonical(work: Rooted) -> None:
    urls = [
        reference["referenceLocator"]
        for package in packages_of(work).values()
        for reference in package.get("externalRefs", [])  # type: ignore[attr-defined]
    ]
    assert "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19%2Bb1?arch=arm64&distro=trixie" in urls
    assert [PackageURL.from_string(url).to_string() for url in urls] == urls


def test_the_same_inputs_give_the_same_sbom_and_others_another_namespace(work: Rooted, tmp_path: Path) -> None:
    packages_of(work)
    before = work.recipe.sbom.read_bytes()
    elsewhere = replace(work, recipe=replace(work.recipe, output=tmp_path / "elsewhere", config=b"profile: gadget\n"))
    packages_of(elsewhere)
    assert elsewhere.recipe.sbom.read_bytes() == before
    status = work.place / installed.STATUS
    status.write_text(status.read_text().replace("14.2.0-19+b1", "14.2.0-19+b2"))
    packages_of(work)
    one, other = (json.loads(text)["documentNamespace"] for text in (before, work.recipe.sbom.read_bytes()))
    assert one != other


def test_a_deb_that_two_archives_have_differently_is_not_told(work: Rooted) -> None:
    lists = work.results["index"] / "lists"
    (lists / "other_Packages").write_text(LISTED.format(attr=OTHER, newer=NEWER, gcc=GCC))
    packages = packages_of(work)
    assert "checksums" not in packages["SPDXRef-deb-arm64-attr"]
    assert "checksums" in packages["SPDXRef-deb-arm64-libstdcPP6"]


def test_a_link_that_leads_out_of_the_image_is_not_followed(work: Rooted, tmp_path: Path) -> None:
    for name, text in {"outside": COPYRIGHT, "root/usr/share/doc/common/copyright": COPYRIGHT}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    doc = work.place / "usr/share/doc"
    (doc / "libstdc++6").symlink_to("common")
    assert packages_of(work)["SPDXRef-deb-arm64-libstdcPP6"]["licenseDeclared"] != "NOASSERTION"
    (doc / "common/copyright").unlink()
    (doc / "common/copyright").symlink_to(tmp_path / "outside")
    assert packages_of(work)["SPDXRef-deb-arm64-libstdcPP6"]["licenseDeclared"] == "NOASSERTION"


HEAD = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: "


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        (HEAD + "Expat", "MIT"),
        (HEAD + "GPL-3", "GPL-3.0-only"),
        (HEAD + "GPLv3+", "GPL-3.0-or-later"),
        (HEAD + "GFDL-NIV-1.3+", "GFDL-1.3-no-invariants-or-later"),
        (HEAD + "ISC and Zlib\n\nFiles: b\nLicense: Zlib", "ISC AND Zlib"),
        (HEAD + "LGPL-3+ or GPL-2+\n\nFiles: b\nLicense: ISC", "ISC AND (LGPL-3.0-or-later OR GPL-2.0-or-later)"),
        (HEAD + "GPL-2+ with OpenSSL exception", None),
        (HEAD + "Expat, ISC", None),
        (HEAD + "Expat ISC", None),
        (HEAD + "Expat and", None),
        (HEAD + "GPL", None),
        (HEAD + "LGPL-1", None),
        (HEAD + "my-own\n\nFiles: b\nLicense: ISC", None),
        (HEAD + "\n Only a text.", None),
        (HEAD.partition("\n\n")[0], None),
        ("This is free software, under the MIT license.", None),
        ("", None),
    ],
)
def test_a_licence_is_told_only_if_it_is_known(text: str, expression: str | None) -> None:
    assert copyright.declared(text) == expression
