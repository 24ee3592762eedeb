from __future__ import annotations

import argparse
import io
import json
import re
from pathlib import Path

import pytest

from appliance import cli
from appliance.errors import ConfigError, InputError
from image.build import summary
from image.cli.build import configure, default_cache, recipe_of
from image.events import Events, duration
from image.flash.meter import Meter
from image.phrases import PHRASES
from image.stages import fetch

SHA256 = "0" * 64
EXAMPLE = Path(__file__).parent.parent / "appliance/examples/gateway.yaml"


def arguments(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    configure(parser)
    return parser.parse_args(words)


def test_without_anything_it_is_a_gateway_on_debian_with_a_configuration_to_fill_in() -> None:
    recipe = recipe_of(arguments())
    assert (recipe.profile, recipe.base, recipe.image.name) == ("gateway", "debian", "appliance-gateway-arm64.img")
    assert recipe.image.parent == Path.cwd() / "dist"
    assert b"profile: gateway" in recipe.config


def test_the_configuration_goes_onto_the_card_byte_by_byte(tmp_path: Path) -> None:
    file = tmp_path / "appliance.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.read_bytes().replace(b"\n", b"\r\n") + b"# \xe2\x82\xac\r\n")
    assert recipe_of(arguments("--config", str(file))).config == file.read_bytes()


def test_a_wrong_configuration_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    file = tmp_path / "appliance.yaml"
    file.write_text("profile: gateway\nuplnk: {}\n")
    with pytest.raises(ConfigError) as caught:
        recipe_of(arguments("--config", str(file)))
    assert f"{file}:2:1:" in str(caught.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--config", "/no/such.yaml"], "No such file"),
        (["--config", "EXAMPLE", "--profile", "gateway"], "profile custom, not gateway"),
        (["--config", "EXAMPLE"], "no image can be built yet for the profile custom"),
    ],
)
def test_what_does_not_fit_is_refused(words: list[str], said: str, tmp_path: Path) -> None:
    example = tmp_path / "custom.yaml"
    example.write_text("profile: custom\n")
    with pytest.raises(InputError, match=said):
        recipe_of(arguments(*(word.replace("EXAMPLE", str(example)) for word in words)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--base", "http://a.test/b.img.xz#sha256=" + SHA256], "not an https address"),
        (["--base", "https://a.test/b.img.xz"], "needs the SHA-256"),
        (["--base", "debain"], "debain does not exist"),
        (["--base", "/"], "is not a file"),
    ],
)
def test_a_base_that_cannot_be_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        fetch.stage(recipe_of(arguments(*words))).reads()
    assert caught.value.hint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--base", "https://a.test/b.img.xz#sha256=abc"], "is not a SHA-256"),
        (["--base", "https://a.test/b.img.xz", "--sha256", "g" * 64], "is not a SHA-256"),
        (["--base", "debian", "--sha256", SHA256], "for a base that is one file"),
        (["--sha256", SHA256], "for a base that is one file"),
        (["--mirror", "ftp://a.test/debian"], "is not the address of a mirror"),
        (["--mirror", "a.test/debian"], "is not the address of a mirror"),
        (["--mirror", "https://me:secret@a.test/debian"], "the archive a.test has a user or password in it"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        recipe_of(arguments(*words))
    assert caught.value.hint


def test_the_help_teaches_by_examples_that_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["build", "--help"])
    text = capsys.readouterr().out
    assert text.index("Build an SD card image.") < text.index("options:") < text.index("examples:")
    examples = re.findall(r"^  appliance build(.*)$", text, re.MULTILINE)
    assert len(examples) == 6
    for example in examples:
        recipe_of(arguments(*example.replace("HEX", SHA256).replace("appliance.yaml", str(EXAMPLE)).split()))


@pytest.mark.parametrize(
    ("option", "folder", "said"),
    [
        ("--output", "FILE", "is not a folder"),
        ("--output", "FILE/below", "is not a folder"),
        ("--output", "/proc/x", "cannot be written"),
        ("--cache", "FILE", "is not a folder"),
        ("--cache", "/proc/x", "cannot be written"),
    ],
)
def test_a_folder_that_cannot_be_written_is_refused_before_anything_else(
    option: str, folder: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    words = ["--cache", str(tmp_path / "cache"), "--output", str(tmp_path / "out")]
    given = folder.replace("FILE", str(tmp_path / "file"))
    for plan in ([], ["--plan"]):
        assert cli.main(["build", *words, option, given, *plan]) == 2
        errors = capsys.readouterr().err
        assert f"error: {given} " in errors
        assert said in errors
        assert f"hint: give another folder with {option}" in errors
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_both_ways_to_give_the_digest_mean_the_same() -> None:
    one = recipe_of(arguments("--base", "https://a.test/b.img.xz#sha256=" + "AB" * 32))
    two = recipe_of(arguments("--base", "https://a.test/b.img.xz", "--sha256", "ab" * 32))
    assert (one.base, one.base_sha256) == (two.base, two.base_sha256) == ("https://a.test/b.img.xz", "ab" * 32)


@pytest.mark.parametrize(
    ("words", "image"),
    [
        ([], "appliance-gateway-arm64.img"),
        (["--board", "zero"], "appliance-gateway-armv6.img"),
        (["--board", "zero", "--profile", "gadget"], "appliance-gadget-armv6.img"),
        (["--board", "zero", "--base", "raspios-armhf.img"], "appliance-gateway-armv6.img"),
        *((["--board", board], "appliance-gateway-arm64.img") for board in ("zero2", "3", "4")),
        (["--board", "5", "--base", "raspios.img"], "appliance-gateway-arm64.img"),
    ],
)
def test_one_image_serves_all_boards_of_a_kind(words: list[str], image: str) -> None:
    assert recipe_of(arguments(*words)).image.name == image


def test_a_board_that_there_is_not_is_refused() -> None:
    with pytest.raises(SystemExit):
        arguments("--board", "pi4")


def test_a_pi_5_needs_raspberry_pi_os() -> None:
    with pytest.raises(InputError, match="Debian's kernel has no drivers for the Raspberry Pi 5") as caught:
        recipe_of(arguments("--board", "5"))
    assert "--base" in caught.value.hint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--board", "3", "--profile", "gadget"], "only the A+ can be a USB gadget"),
        (["--board", "3"], ""),
        (["--board", "4", "--profile", "gadget"], ""),
        (["--board", "zero", "--profile", "gadget"], ""),
        (["--board", "zero2"], "no firmware for the radio of some Zero 2 W"),
        (["--board", "zero2", "--base", "raspios.img"], ""),
    ],
)
def test_what_cannot_work_on_every_model_is_said(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("image.cli.build.show", lambda *_: None)
    assert cli.main(["build", "--plan", *words]) == 0
    told = capsys.readouterr().err
    assert said in told
    assert bool(told) == bool(said)


def test_source_date_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert recipe_of(arguments()).epoch == 1_700_000_000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(InputError, match="yesterday"):
        recipe_of(arguments())


def test_the_cache_is_where_the_standard_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert default_cache() == Path("/elsewhere/appliance")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert default_cache() == Path("/home/somebody/.cache/appliance")


def test_events_are_one_json_object_a_line() -> None:
    stream = io.StringIO()
    events = Events(stream, as_json=True)
    events.started("packages")
    events.progress("downloaded", 1, 2)
    events.finished("packages", 1.23456)
    events.result("for people", image="a.img", size_bytes=3)
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"event": "start", "stage": "packages"},
        {"event": "done", "stage": "packages", "seconds": 1.235},
        {"event": "result", "image": "a.img", "size_bytes": 3},
    ]


def test_progress_is_drawn_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    events = Events(stream)
    events.progress("downloaded", 1_000_000, 4_000_000)
    assert stream.getvalue() == ""
    monkeypatch.setattr(stream, "isatty", lambda: True)
    events.progress("downloaded", 1_000_000, 4_000_000)
    assert "25 %" in stream.getvalue()
    events.note("a line of its own")
    assert stream.getvalue().endswith("\r\x1b[Ka line of its own\n")


def test_a_stage_of_minutes_tells_how_fast_it_is_and_how_long_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    events = Events(stream)
    events.advanced("write", 13_000_000, 120_000_000, 1.0, None)
    for done in (30_000_000, 31_000_000, 60_000_000):
        events.advanced("write", done, 120_000_000, done / 15e6, 15e6)
    events.advanced("write", 1 << 28, None, 10, 1e6)
    assert stream.getvalue() == (
        "write:  10 %  13 MB\n"
        "write:  25 %  30 MB, 15.0 MB/s, 6.0 s left\n"
        "write:  50 %  60 MB, 15.0 MB/s, 4.0 s left\n"
        "write: 268 MB, 1.0 MB/s\n"
    )
    monkeypatch.setattr(stream, "isatty", lambda: True)
    events.advanced("write", 61_000_000, 122_000_000, 61 / 15, 15e6)
    assert stream.getvalue().endswith("\r\x1b[K  write:  50 %  61 MB, 15.0 MB/s, 4.1 s left")


def test_how_fast_it_is_is_told_once_that_can_be_judged() -> None:
    """A first piece is small, and comes when a slow disk has done what was before."""
    now, stream = [100.0], io.StringIO()
    meter = Meter(Events(stream, as_json=False), "write", 100_000_000, clock=lambda: now[0])
    for after_s, size in ((20, 4096), (1, 10_000_000), (1, 10_000_000), (1, 10_000_000), (5, 50_000_000)):
        now[0] += after_s
        meter.add(size)
    assert stream.getvalue() == (
        "write:  10 %  10 MB\n"
        "write:  20 %  20 MB\n"
        "write:  30 %  30 MB, 10.0 MB/s, 7.0 s left\n"
        "write:  80 %  80 MB, 10.0 MB/s, 2.0 s left\n"
    )


def test_a_stage_has_one_line_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    events = Events(stream)
    events.started("packages")
    events.finished("packages", 373.4)
    events.result("a.img: 3 MB", image="a.img", size_bytes=3_000_000)
    assert stream.getvalue() == f"packages: 6 min 13 s    {PHRASES['packages']}\na.img: 3 MB\n"
    monkeypatch.setattr(stream, "isatty", lambda: True)
    for stage in ("daemon", "overlay"):
        stream.seek(0)
        events.started(stage)
        shown = f"\r\x1b[K  {stage}: {PHRASES[stage]} …"
        assert stream.getvalue().startswith(shown), "shown at once, whatever was shown just before"
        events.finished(stage, 1.23)
        assert stream.getvalue().startswith(f"{shown}\r\x1b[K{stage}: 1.2 s  ")


def test_a_stage_that_fails_leaves_no_open_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    events = Events(stream)
    with pytest.raises(InputError), events.running("open"):
        raise InputError("it is none")
    assert stream.getvalue() == "\r\x1b[K  open …\r\x1b[K"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(7.84, "7.8 s"), (99.9, "99.9 s"), (120.0, "2 min"), (179.7, "3 min"), (612.846, "10 min 13 s")],
)
def test_a_duration_as_one_says_it(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_build_says_what_is_there_and_what_to_do_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    image = tmp_path / "dist/appliance-gateway-arm64.img.zst"
    assert summary(image, 309_023_659, 612.846) == (
        "dist/appliance-gateway-arm64.img.zst: 309 MB, made in 10 min 13 s\n"
        "next: appliance flash dist/appliance-gateway-arm64.img.zst\n"
        "or try it first: appliance lab dist/appliance-gateway-arm64.img.zst"
    )
    elsewhere = summary(Path("/my images/a.img"), 1_500_000_000, 1.0)
    assert elsewhere.splitlines()[1] == "next: appliance flash '/my images/a.img'"
