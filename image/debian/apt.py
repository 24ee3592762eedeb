"""The host's apt, working for an image: its architecture, its sources and keys, its installed packages.

Resolving and downloading are native; signatures are always checked, whatever the host's apt says.
"""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import InputError, PermanentError
from image.debian import archives, sources, unpacking
from image.debian.archives import Progress
from image.run import run

OUT_OF_SYNC = "Mirror sync in progress?"
"""What apt says of a package list that is not the one which the signed Release file names."""

ALIKE = 0.8
"""How alike a name must be to be told in place of one that there is not, as difflib counts: 1 is the same."""


@dataclass(frozen=True)
class Apt:
    """apt for one image.

    `index` is a folder with `etc/apt/` (sources) and `lists/`, `archives` where packages are kept between
    builds, `status` the image's dpkg status file, `architectures` the image's own first.
    """

    index: Path
    archives: Path
    status: Path
    architectures: tuple[str, ...]
    log: Path
    progress: Progress = lambda *_: None

    def update(self) -> list[str]:
        """Fetch the package lists, and return the suites of updates that a mirror's own inconsistency left out.

        Raises PermanentError if an archive cannot be reached or its signature is bad.
        """
        (self.index / "lists/partial").mkdir(parents=True, exist_ok=True)
        self._cache.mkdir(parents=True, exist_ok=True)
        began = self.log.stat().st_size if self.log.exists() else 0
        with self._configured() as config:
            argv, environment = ["apt-get", "update", "-o", "APT::Update::Error-Mode=any"], {"APT_CONFIG": str(config)}
            try:
                run(argv, env=environment, log=self.log)
            except PermanentError as error:
                if suites := only_out_of_sync(self.log.read_text(errors="replace")[began:]):
                    return suites
                hint = f"check the network and the archive's address (--mirror gives another); more is in {self.log}"
                raise PermanentError(error.message, hint=hint) from error
        return []

    def download(self, packages: Sequence[str]) -> list[Path]:
        """Download what installing `packages` needs, and return the .deb files, dependencies included, as `unpacking`
        orders them.

        Those that are there already are checked against the digests in the signed lists; apt itself looks at their
        size alone. Raises InputError for a package that does not exist or would need another one removed.
        """
        self.archives.mkdir(parents=True, exist_ok=True)
        self._cache.mkdir(parents=True, exist_ok=True)
        with self._configured() as config, tempfile.TemporaryDirectory() as empty:
            environment = {"APT_CONFIG": str(config)}
            argv = ["apt-get", "install", "--yes", "--no-install-recommends", "--no-remove"]
            argv += ["-o", "Acquire::ForceHash=SHA256"]
            Path(empty, "partial").mkdir()
            try:
                # With an empty archive folder, all of the files are listed and not only the new ones.
                listed = run([*argv, "--print-uris", "-o", f"Dir::Cache::archives={empty}", *packages], env=environment)
            except PermanentError as error:
                raise InputError(
                    unknown_packages(error.message, lambda: self._names(environment))
                    or f"these packages cannot be installed: {error.message}"
                ) from error
            wanted = archives.listed(listed)
            if lacking := [one for one in wanted if not archives.is_whole(self.archives / one.name, one)]:
                for one in lacking:
                    (self.archives / one.name).unlink(missing_ok=True)
                archives.fetch(lacking, self.archives, environment, self.log, self.progress)
            names = [one.name for one in wanted]
            files = [self.archives / name for name in unpacking.in_order(names, self._controls(names, environment))]
        for file in files:
            os.utime(file)  # when it was last used: `image.cache.retention` goes by that
        return files

    def _controls(self, files: Sequence[str], environment: Mapping[str, str]) -> str:
        """What the lists say of the packages in these files."""
        return run(["apt-cache", "show", *map(unpacking.selected, files)], env=environment) if files else ""

    def _names(self, environment: Mapping[str, str]) -> list[str]:
        return run(["apt-cache", "pkgnames"], env=environment).split()

    @contextmanager
    def _configured(self) -> Iterator[Path]:
        """An apt.conf for the block; readable by us alone, because a proxy's address may hold a password."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "apt.conf")
            file.touch(mode=0o600)
            file.write_text(sources.transport_settings() + self._settings())
            yield file

    @property
    def _cache(self) -> Path:
        """What apt has read of the lists: of each architecture its own, as reading them again takes a second."""
        return self.archives.parent / "apt" / self.architectures[0]

    def _settings(self) -> str:
        settings = {
            "APT::Architecture": self.architectures[0],
            "APT::Sandbox::User": "root",
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::AllowWeakRepositories": "false",
            "Acquire::AllowDowngradeToInsecureRepositories": "false",
            "APT::Get::AllowUnauthenticated": "false",
            "Dir::Etc": f"{self.index}/etc/apt",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::netrc": "/etc/apt/auth.conf",
            "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d",
            "Dir::State": f"{self.index}/state",
            "Dir::State::lists": f"{self.index}/lists",
            "Dir::State::status": str(self.status),
            "Dir::Cache": str(self._cache),
            "Dir::Cache::archives": str(self.archives),
            "Dir::Log": "/dev/null",
        }
        lists = {"APT::Architectures": self.architectures, "Acquire::Languages": ("none",)}
        lines = [f'{name} "{value}";' for name, value in settings.items()]
        for name, values in lists.items():
            lines += [f"#clear {name};", *(f'{name}:: "{value}";' for value in values)]
        return "".join(f"{line}\n" for line in lines)


def only_out_of_sync(said: str) -> list[str]:
    """The suites that failed, if all of them are suites of updates whose mirror has lists of another time.

    Everything else is an error, a release itself and its security updates above all: empty then. What did fit is there
    to be used.
    """
    failed = re.findall(r"^E: Failed to fetch \S*/dists/(\S+?)/\S+ +(.*)$", said, re.MULTILINE)
    every = said.count("E: Failed to fetch ")
    excused = {suite for suite, why in failed if OUT_OF_SYNC in why and suite.endswith("-updates")}
    return sorted(excused) if failed and len(failed) == every and excused == {suite for suite, _ in failed} else []


def unknown_packages(said: str, names: Callable[[], Sequence[str]]) -> str:
    """What to tell of packages that apt does not know, with those of `names` that look alike; "" if it knows all."""
    unknown = re.findall(r"^\s*E: Unable to locate package (\S+)", said, re.MULTILINE)
    unknown += re.findall(r"^\s*E: Package '(\S+)' has no installation candidate", said, re.MULTILINE)
    known = names() if unknown else ()
    near = {name: difflib.get_close_matches(name, known, n=3, cutoff=ALIKE) for name in dict.fromkeys(unknown)}
    told = (f"no package {name}" + (f" (there is {', '.join(alike)})" if alike else "") for name, alike in near.items())
    return "; ".join(told)
