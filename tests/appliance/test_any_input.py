"""Whatever is in the file, what comes out is a configuration or a ConfigError with places in it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.errors import ConfigError
from appliance.parse import parse_text
from appliance.salvage import salvage
from tests.appliance.conftest import EXAMPLES

FILES = [path.read_bytes() for path in sorted(EXAMPLES.iterdir())]
SIGNS = st.sampled_from(
    [
        *(
            b"\t",
            b"\n",
            b"\r",
            b" ",
            b"#",
            b": ",
            b"- ",
            b"[",
            b"]",
            b"{",
            b"}",
            b"'",
            b'"',
            b"&a ",
            b"*a",
            b"!",
            b"|\n",
        ),
        *(
            b">",
            b"%",
            b"@",
            b"`",
            b"? ",
            b", ",
            b"---\n",
            b"...\n",
            b"\\",
            b"\x00",
            b"\xff",
            b"\xc2\xa0",
            b"\xe2\x80\x9c",
        ),
        *(
            b"<<: ",
            b'"\\ud800"',
            b'"\\UFFFFFFFF"',
            b"\xef\xbb\xbf",
            b"\xff\xfe",
            b"~",
            b"<x>",
            b"0",
            b"-1",
            b"::",
            b"/",
        ),
        b"%YAML 1.1\n",
    ]
)


def check(data: bytes) -> None:
    lines = data.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    try:
        parse_text(data, "a.yaml")
    except ConfigError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.message and problem.mark.file == "a.yaml" and problem.mark.column >= 1
            assert 1 <= problem.mark.line <= max(lines, len(data))
            str(problem).encode()  # can be printed
    salvage(data, "a.yaml")


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_bytes(data: bytes) -> None:
    check(data)


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_text(text: str) -> None:
    check(text.encode(errors="surrogatepass"))


@given(st.lists(st.one_of(SIGNS, st.sampled_from([b"a", b"ssh", b"uplink", b"profile", b"custom", b"hostname"]))))
@settings(max_examples=500, deadline=None)
def test_signs(parts: list[bytes]) -> None:
    check(b"".join(parts))


@given(st.sampled_from(FILES), st.data())
@settings(max_examples=500, deadline=None)
def test_a_changed_example(content: bytes, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 20)))
        content = content[:start] + data.draw(st.one_of(SIGNS, st.binary(max_size=4))) + content[end:]
    check(content)


@given(st.sampled_from(FILES), st.data())
@settings(max_examples=200, deadline=None)
def test_an_example_with_its_values_exchanged(content: bytes, data: st.DataObject) -> None:
    lines = content.decode().splitlines(keepends=True)
    values = [line.partition(":")[2] for line in lines if ":" in line]
    number = data.draw(st.integers(0, len(lines) - 1))
    name, colon, _ = lines[number].partition(":")
    lines[number] = name + colon + data.draw(st.sampled_from(values)) if colon else lines[number]
    check("".join(lines).encode())


@given(st.sampled_from(FILES), st.randoms())
@settings(max_examples=200, deadline=None)
def test_an_example_with_its_lines_shuffled(content: bytes, random: object) -> None:
    lines = content.splitlines(keepends=True)
    random.shuffle(lines)  # type: ignore[attr-defined]
    check(b"".join(lines))
