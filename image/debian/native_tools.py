"""Which programs of this machine's architecture stand in for a foreign image's, and which must not.

A program stands in only where it is called often enough to matter, and where what it writes depends
on its input alone. A test builds both ways and compares everything that is on the card.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    """Something of one package that stands in for the image's own."""

    package: str
    """The Debian package that has it; a pattern as fnmatch(3) has them, where its name holds a version."""
    folder: str
    """In the image."""
    names: tuple[str, ...]
    """Patterns of names in that folder: programs, or a folder that belongs to one."""
    why: str
    links: bool = False
    """Whether the names are symbolic links in the image, and what they lead to is to stay its own."""


@dataclass(frozen=True)
class Foreign:
    """Something that runs emulated, though a native one is there or could be."""

    what: str
    why: str


def _tool(package: str, folder: str, names: str, why: str) -> Tool:
    return Tool(package, folder, tuple(names.split()), why)


TOOLS = (
    _tool("dash", "usr/bin", "dash", "/bin/sh: every maintainer script"),
    _tool("bash", "usr/bin", "bash", "scripts that ask for it; ldd, once for each program in the initrd"),
    _tool("perl-base", "usr/bin", "perl perl5*", "debconf, deb-systemd-helper, update-rc.d, pam-auth-update"),
    _tool("python3.*-minimal", "usr/bin", "python3.*", "py3compile: byte-compiles each package's modules"),
    _tool("libpython3.*-stdlib", "usr/lib/python3.*", "lib-dynload", "the interpreter's own compiled modules"),
    _tool(
        "coreutils",
        "usr/bin",
        "[ b2sum base64 basename cat chgrp chmod chown cksum comm cp cut date dd dir dirname du echo env expand expr"
        " false fold head id install join ln ls md5sum mkdir mkfifo mknod mktemp mv nl nproc od paste printenv printf"
        " pwd readlink realpath rm rmdir seq sha1sum sha256sum sha512sum shuf sleep sort split stat stty sync tac tail"
        " tee test timeout touch tr true truncate tsort tty unexpand uniq unlink wc whoami yes",
        "what shell scripts are made of",
    ),
    _tool("sed", "usr/bin", "sed", "shell scripts"),
    _tool("grep", "usr/bin", "grep", "shell scripts"),
    _tool("mawk", "usr/bin", "mawk", "shell scripts"),
    _tool("findutils", "usr/bin", "find xargs", "shell scripts"),
    _tool("diffutils", "usr/bin", "cmp diff", "ucf compares configuration files"),
    _tool("debianutils", "usr/bin", "run-parts which.debianutils", "the kernel's hooks, update-ca-certificates"),
    _tool("tar", "usr/bin", "tar", "shell scripts"),
    _tool("gzip", "usr/bin", "gzip", "shell scripts"),
    _tool("xz-utils", "usr/bin", "xz", "shell scripts"),
    _tool("zstd", "usr/bin", "zstd", "compresses the initrd"),
    _tool("cpio", "usr/bin", "cpio", "packs the initrd"),
    _tool(
        "dracut-install", "usr/lib/dracut", "dracut-install", "copies the initrd's kernel modules with what they need"
    ),
    Tool(
        "kmod", "usr/sbin", ("depmod",), "reads every kernel module; kmod itself is copied into the initrd", links=True
    ),
    _tool("util-linux", "usr/bin", "flock getopt", "shell scripts"),
    _tool(
        "dpkg",
        "usr/bin",
        "dpkg dpkg-deb dpkg-divert dpkg-query dpkg-split dpkg-statoverride dpkg-trigger update-alternatives",
        "maintainer scripts ask them for versions, files and conffiles; they answer for the image's architecture",
    ),
    _tool("systemd", "usr/bin", "systemctl systemd-sysusers systemd-tmpfiles", "enable units, make users and folders"),
    _tool("systemd", "usr/bin", "journalctl", "compiles the message catalogue"),
    _tool("udev", "usr/bin", "systemd-hwdb", "compiles the hardware database, 13 MB: the longest of all"),
    _tool("openssl", "usr/bin", "openssl", "update-ca-certificates hashes every certificate"),
    _tool("passwd", "usr/sbin", "groupadd useradd usermod", "make users"),
)
"""What stands in while packages are configured."""

PACKAGES = (
    "bash",
    "coreutils",
    "cpio",
    "dash",
    "debianutils",
    "diffutils",
    "dpkg",
    "findutils",
    "grep",
    "gzip",
    "kmod",
    "libc-bin",
    "liblocale-gettext-perl",
    "mawk",
    "openssl",
    "passwd",
    "perl-base",
    "python3",
    "sed",
    "systemd",
    "tar",
    "udev",
    "util-linux",
    "xz-utils",
    "zstd",
)
"""What the tool root is made of, beside what these depend on."""

PACKAGES_OF = {"bookworm": (), "trixie": ("dracut-install",)}
"""What there is in a release alone."""

FOREIGN = (
    Foreign("ldconfig", "its cache's format is the architecture's: a native one writes another /etc/ld.so.cache"),
    Foreign("ldd and ld.so", "ask the image's own loader, which libraries a program of the image needs"),
    Foreign("uname, arch", "say which machine this is"),
    Foreign(
        "what is copied into the initrd: e2fsck, fsck, blkid, udevadm, logsave, klibc's", "it is what the Pi boots"
    ),
    Foreign("whatever is not listed above", "it is called seldom, so that nothing would be won"),
)
"""What stays emulated."""
