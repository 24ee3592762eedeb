"""What the host shall see, and what of it is this Pi's own."""

from __future__ import annotations

import re
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import pytest

from firstboot.gadget import compiled, identity
from firstboot.gadget.layout import LAYOUT_VERSION, Layout, layout, release_number

SERIAL = "10000000a1b2c3d4"
DIGESTS = {1: "2a0d2b39a310d368"}
"""Of each version of the layout, for all sets of functions. Never change a digest that was released: add a version."""

OWN = re.compile(r"strings/0x409/(serialnumber|product)$|_addr$")
"""What is one Pi's own and no part of the layout."""

FUNCTIONS = ("ecm", "rndis", "ncm", "acm")
SETS = [names for count in range(1, len(FUNCTIONS) + 1) for names in combinations(FUNCTIONS, count)]


def tree(*functions: str) -> Layout:
    return layout(functions, SERIAL, "pigadget")


def configurations(of: Layout) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path, target in of.links:
        config, _, name = path.rpartition("/")
        found.setdefault(config, []).append(target if config == "os_desc" else name)
    return found


def test_a_changed_layout_has_another_version() -> None:
    """Windows goes by what it remembers of this vendor, product and bcdDevice."""
    seen = sha256()
    for functions in SETS:
        made = tree(*functions)
        files = [(path, value) for path, value in made.files.items() if not OWN.search(path) and path != "bcdDevice"]
        seen.update(repr((sorted(files), made.links)).encode())
    digest = seen.hexdigest()[:16]
    assert DIGESTS.get(LAYOUT_VERSION) == digest, "the layout is another one: raise LAYOUT_VERSION and add its digest"


def test_every_set_of_functions_has_its_release_number() -> None:
    numbers = {release_number(functions) for functions in SETS}
    assert len(numbers) == len(SETS)
    assert all(re.fullmatch(r"0x\d{4}", number) for number in numbers), "binary-coded decimals"
    assert release_number(("rndis", "ecm")) == release_number(("ecm", "rndis"))


def test_rndis_is_alone_where_the_os_descriptors_point() -> None:
    assert configurations(tree("acm", "rndis", "ecm")) == {
        "configs/c.1": ["ecm.usb0", "acm.usb0"],
        "configs/c.2": ["rndis.usb0"],
        "os_desc": ["configs/c.2"],
    }


def test_one_function_needs_one_configuration() -> None:
    assert configurations(tree("rndis")) == {"configs/c.1": ["rndis.usb0"], "os_desc": ["configs/c.1"]}
    assert configurations(tree("ecm")) == {"configs/c.1": ["ecm.usb0"]}
    assert "os_desc/use" not in tree("ecm").files


def test_ncm_is_described_to_windows_where_rndis_is_not() -> None:
    made = tree("ncm")
    assert configurations(made) == {"configs/c.1": ["ncm.usb0"], "os_desc": ["configs/c.1"]}
    assert made.files["functions/ncm.usb0/os_desc/interface.ncm/compatible_id"] == "WINNCM"


def test_numbers_of_a_function_are_written_in_two_digits() -> None:
    """The kernel reads "%02hhx": of 0xef it would take 0."""
    files = tree("rndis").files
    assert [files[f"functions/rndis.usb0/{name}"] for name in ("class", "subclass", "protocol")] == ["ef", "04", "01"]


def macs(serial: str) -> list[str]:
    sides = (identity.host_mac, identity.device_mac)
    return [side(serial, name) for name in ("ecm", "rndis", "ncm") for side in sides]


@pytest.mark.parametrize("serial", [SERIAL, "0", "00000000ffffffff", "c3b5b2a1d2e3f4a5", "not hexadecimal"])
def test_addresses_are_all_different_and_for_one_machine(serial: str) -> None:
    addresses = [*macs(serial), identity.device_mac(serial, identity.BRIDGE)]
    assert len(set(addresses)) == len(addresses)
    for address in addresses:
        assert re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", address)
        assert not int(address[:2], 16) & 1, "a group's address"


def test_only_the_pis_side_is_locally_administered() -> None:
    """Linux calls a locally administered adapter usb0, and Android takes none but eth0."""
    for name in ("ecm", "rndis", "ncm"):
        assert int(identity.device_mac(SERIAL, name)[:2], 16) & 2
        assert not int(identity.host_mac(SERIAL, name)[:2], 16) & 2


def test_addresses_are_none_that_the_pi_has_itself() -> None:
    """b8:27:eb and the last three bytes on the wire; those with 0x555555 on the radio."""
    own = {"b8:27:eb:b2:c3:d4", "b8:27:eb:e7:96:81"}
    assert not own & set(macs(SERIAL)) and not own & set(macs("00000000a1b2c3d4"))


@pytest.mark.parametrize("other", ["10000000a1b2c3d5", "10000000b1b2c3d4", "20000000a1b2c3d4", "1000000aa1b2c3d4"])
def test_another_serial_gives_others(other: str) -> None:
    assert not set(macs(SERIAL)) & set(macs(other))
    assert macs(SERIAL) == macs(SERIAL)


def test_the_serial_is_the_device_trees(tmp_path: Path) -> None:
    given, machine_id = tmp_path / "serial-number", tmp_path / "machine-id"
    given.write_bytes(b"10000000a1b2c3d4\0")
    machine_id.write_text("0123456789abcdef0123456789abcdef\n")
    assert identity.serial(str(given), str(machine_id)) == "10000000a1b2c3d4"


def test_without_a_device_tree_little_of_the_machine_id_is_shown(tmp_path: Path) -> None:
    machine_id = tmp_path / "machine-id"
    machine_id.write_text("0123456789abcdef0123456789abcde0\n")
    shown = identity.serial(str(tmp_path / "none"), str(machine_id))
    assert re.fullmatch("0{8}[0-9a-f]{8}", shown) and shown != "0" * 16


def test_compiled_and_read_again() -> None:
    made = compiled.Compiled(SERIAL)
    made.folders, made.files, made.links = ["a"], {"a/b": "two words", "c": "1"}, [("l", "a")]
    made.network = ["link set @ecm up", "address replace fe80::1/64 dev @ecm proto 97 nodad", "link set @ecmx up"]
    again = compiled.parse("\n".join(made.lines()))
    assert vars(again) == vars(made)
    assert again.batch({"ecm": "usb0"}) == [
        "link set usb0 up",
        "address replace fe80::1/64 dev usb0 proto 97 nodad",
        "link set @ecmx up",
    ]


@pytest.mark.parametrize(
    "text", ["", "serial 1\n", "serial 1\nmkdir a\n", "mkdir a\nend\n", "serial 1\nrm a\nend\n", "{}"]
)
def test_what_is_not_whole_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not whole|nobody knows how to rm a"):
        compiled.parse(text)
