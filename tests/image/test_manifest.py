"""What Raspberry Pi Imager is told of an image."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jsonschema
import pytest
import zstandard

from image.boards import BOARDS, DEBIAN
from image.cache.store import Store
from image.disk import pieces
from image.events import Events
from image.recipe import Recipe
from image.stage import Work
from image.stages import assemble, manifest

CONTENT = b"an image" * 12345
PACKED: dict[str, Callable[[bytes], bytes]] = {".img": bytes, ".img.zst": zstandard.compress, ".img.xz": lzma.compress}

TEXT, COUNT, DIGEST = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 1}, "^[0-9a-f]{64}$"
DEVICE = {"name": TEXT, "description": TEXT, "icon": {"type": "string"}, "matching_type": {"const": "exclusive"}}
SCHEMA = {
    "type": "object",
    "required": ["imager", "os_list"],
    "properties": {
        "imager": {
            "required": ["devices"],
            "properties": {"devices": {"minItems": 1, "items": {"required": [*DEVICE, "tags"], "properties": DEVICE}}},
        },
        "os_list": {
            "minItems": 1,
            "items": {
                "required": [
                    *("name", "description", "icon", "url", "extract_size", "extract_sha256", "image_download_size"),
                    *("release_date", "devices"),
                ],
                "properties": {
                    "name": TEXT,
                    "description": TEXT,
                    "icon": {"type": "string"},
                    "url": {"type": "string", "pattern": "^file:///"},
                    "extract_size": COUNT,
                    "extract_sha256": {"type": "string", "pattern": DIGEST},
                    "image_download_size": COUNT,
                    "image_download_sha256": {"type": "string", "pattern": DIGEST},
                    "release_date": {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
                    "init_format": {"enum": ["none", "systemd", "cloudinit", "cloudinit-rpi"]},
                    "devices": {"type": "array", "minItems": 1, "items": TEXT},
                    "architecture": {"enum": ["armv6", "armv7", "armv8"]},
                },
            },
        },
    },
}
"""What Imager's doc/schema-notes.md requires, in our words, and what of it we promise beyond that."""


@pytest.fixture
def written(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """The manifest that the stage writes beside an image."""
    plain = tmp_path / "plain"
    plain.write_bytes(CONTENT)
    monkeypatch.setattr(assemble, "regions", lambda _: [pieces.region(plain)])

    def make(packages: str = "bash", files: tuple[str, ...] = (".img", ".img.zst"), **fields: str) -> dict[str, Any]:
        recipe = Recipe(config=b"", output=tmp_path / "a folder", **fields)  # type: ignore[arg-type]
        recipe.output.mkdir(exist_ok=True)
        sums = ""
        for suffix in files:
            file = recipe.image.with_suffix(suffix)
            file.write_bytes(PACKED[suffix](CONTENT))
            sums += f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        recipe.checksums.write_text(sums)
        recipe.package_list.write_text("".join(f"{name} 1 all\n" for name in packages.split()))
        (tmp_path / "index").mkdir(exist_ok=True)
        (tmp_path / "index/date").write_text("1700000000")
        results = {"index": tmp_path / "index"}
        unused = tmp_path / "unused"
        work = Work(recipe, store, Events(io.StringIO()), unused, unused, unused, results, ())
        assert manifest.stage(recipe).make(work) == [recipe.manifest]
        found: dict[str, Any] = json.loads(recipe.manifest.read_text())
        return found

    return make


def test_everything_that_imager_needs_is_there_and_true(written: Callable[..., dict[str, Any]]) -> None:
    found = written()
    jsonschema.validate(found, SCHEMA)
    [system] = found["os_list"]
    packed = Path(unquote(urlsplit(system["url"]).path))
    assert packed.name == "appliance-gateway-arm64.img.zst"
    for what, content in (("extract", CONTENT), ("image_download", packed.read_bytes())):
        assert system[f"{what}_size"] == len(content)
        assert system[f"{what}_sha256"] == hashlib.sha256(content).hexdigest()
    assert system["release_date"] == "2023-11-14"
    assert (system["devices"], system["architecture"]) == (["pi3-64bit", "pi4-64bit"], "armv8")


@pytest.mark.parametrize(
    ("files", "offered"),
    [
        ((".img", ".img.zst", ".img.xz"), ".img.xz"),
        ((".img", ".img.zst"), ".img.zst"),
        ((".img",), ".img"),
        ((".img.zst",), ".img.zst"),
        ((".img.xz",), ".img.xz"),
    ],
)
def test_imager_is_given_what_all_its_versions_can_write_if_it_is_there(
    files: tuple[str, ...], offered: str, written: Callable[..., dict[str, Any]]
) -> None:
    [system] = written(files=files)["os_list"]
    assert system["url"].endswith(f"/appliance-gateway-arm64{offered}")
    assert system["image_download_size"] == len(PACKED[offered](CONTENT))
    assert (system["extract_size"], system["extract_sha256"]) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.mark.parametrize(
    ("packages", "init_format"),
    [
        ("bash systemd", "none"),
        ("bash raspberrypi-sys-mods", "systemd"),
        ("bash cloud-init raspberrypi-sys-mods", "cloudinit-rpi"),
        ("cloud-initramfs-growroot", "none"),
    ],
)
def test_customisation_is_offered_only_as_something_in_the_image_reads_it(
    packages: str, init_format: str, written: Callable[..., dict[str, Any]]
) -> None:
    [system] = written(packages=packages)["os_list"]
    assert system["init_format"] == init_format


@pytest.mark.parametrize("base", [DEBIAN, "raspios.img"])
@pytest.mark.parametrize("board", BOARDS)
def test_it_is_offered_for_every_board_that_it_boots_on(
    board: str, base: str, written: Callable[..., dict[str, Any]]
) -> None:
    found = written(board=board, base=base)
    boards = {tag for device in found["imager"]["devices"] for tag in device["tags"]}
    [system] = found["os_list"]
    assert set(system["devices"]) == boards
    assert ("pi5-64bit" in boards) == (BOARDS[board].kind.name == "arm64" and base != DEBIAN)
    assert (boards == {"pi1-32bit"}) == (board == "zero")
    assert len({device["name"] for device in found["imager"]["devices"]}) == len(found["imager"]["devices"])


def test_boards_are_called_as_in_imagers_own_list(written: Callable[..., dict[str, Any]]) -> None:
    devices = written(base="raspios.img")["imager"]["devices"] + written(board="zero")["imager"]["devices"]
    assert {device["name"]: device["tags"] for device in devices} == {
        "Raspberry Pi Zero, Zero W": ["pi1-32bit"],
        "Raspberry Pi Zero 2 W": ["pi3-64bit"],
        "Raspberry Pi 3 B, 3 B+, 3 A+": ["pi3-64bit"],
        "Raspberry Pi 4 B, 400": ["pi4-64bit"],
        "Raspberry Pi 5": ["pi5-64bit"],
    }
