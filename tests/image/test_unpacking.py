from __future__ import annotations

from image.debian.unpacking import identity, in_order, selected

LINUX, BASE, OTHER = "linux-image-6.12_6.12.118-1_arm64.deb", "linux-base_4.12.1_all.deb", "adduser_3.152_all.deb"
CONTROLS = """\
Package: linux-image-6.12
Version: 6.12.118-1
Pre-Depends: linux-base (>= 4.12~)
Architecture: arm64
Description: Linux
 for machines

Package: adduser
Version: 3.152
Architecture: all

Package: linux-base
Version: 4.12.1
Architecture: all
"""


def test_what_a_package_needs_beforehand_comes_first() -> None:
    """Its scripts run before its files are there."""
    for files in ([LINUX, BASE, OTHER], [OTHER, BASE, LINUX]):
        assert in_order(files, CONTROLS) == [OTHER, BASE, LINUX]


def test_how_apt_is_asked_for_one() -> None:
    assert selected("login_1%3a4.16.0-2+really2.41.5_arm64.deb") == "login:arm64=1:4.16.0-2+really2.41.5"


def test_what_is_there_already_need_not_come() -> None:
    assert in_order([LINUX], CONTROLS) == [LINUX]
    assert in_order([], "") == []


def test_one_of_several_and_what_another_provides() -> None:
    """`awk` is nobody's name; each alternative that comes is waited for, whichever it is."""
    files = ["a_1_arm64.deb", "mawk_1_arm64.deb", "z_1%3a2_arm64.deb"]
    names = {"a": "Pre-Depends: awk, y:any | z (>= 1:1)\n", "mawk": "Provides: awk, x (= 1)\n", "z": ""}
    controls = "\n".join(f"Package: {name}\nArchitecture: arm64\n{fields}" for name, fields in names.items())
    assert in_order(files, controls) == ["mawk_1_arm64.deb", "z_1%3a2_arm64.deb", "a_1_arm64.deb"]


def test_one_name_on_two_architectures() -> None:
    files = ["libc6_2.41_armhf.deb", "libc6_2.41_arm64.deb", "a_1_arm64.deb"]
    controls = "".join(f"Package: libc6\nArchitecture: {architecture}\n\n" for architecture in ("arm64", "armhf"))
    controls += "Package: a\nArchitecture: arm64\nPre-Depends: libc6\n"
    assert in_order(files, controls) == ["libc6_2.41_arm64.deb", "libc6_2.41_armhf.deb", "a_1_arm64.deb"]
    assert identity(files[0]) == ("libc6", "armhf")
