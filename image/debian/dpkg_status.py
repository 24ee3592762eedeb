"""What dpkg's status file says of a system."""

from __future__ import annotations


def architecture(status: str) -> str:
    """A system's architecture, as Debian calls it.

    That of the package dpkg, which is the machine's own also where foreign packages are installed.
    """
    for paragraph in status.split("\n\n"):
        if paragraph.startswith("Package: dpkg\n"):
            return next((line.split()[1] for line in paragraph.splitlines() if line.startswith("Architecture: ")), "")
    return ""


def unfinished(status: str) -> list[str]:
    """The packages in a dpkg status file's text that are not installed completely."""
    names = []
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields and fields.get("Status") not in (
            "install ok installed",
            "hold ok installed",
            "deinstall ok config-files",
        ):
            names.append(fields.get("Package", "?"))
    return names
