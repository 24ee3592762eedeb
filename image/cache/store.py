"""The cache: each stage's result under a key made from everything that went into it.

layers/KEY/tree        the result: a folder of files, or what a stage changed in the root file system
layers/KEY/entry.json  which stage, how long it took, and by what damage is seen; its time is when it was last used
archives/              .deb files
downloads/             base images that were downloaded
durations.json         how long each stage took
logs/                  what each stage's programs said the last time
outputs/               which keys made the files that lie in output folders
work/                  unfinished things; whatever is in there when a build starts is a dead build's
CACHEDIR.TAG           says that this is a cache: to backup programs, and to us, who delete in no other folder
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypedDict

from appliance.errors import InputError, PermanentError
from image import output
from image.cache import integrity
from image.cache.durations import Durations
from image.output import written

Key = str

SEAL_BYTES = 32

FORMAT = 1
"""Of entries, and of what `integrity` makes of results: one of another format is another version's, and not damaged."""

STRANGER = "another version's"
"""Stands for the stage of a result that cannot be read."""

KEPT = ("tree", "beside")

TAG = "CACHEDIR.TAG"
SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n"
"""See the Cache Directory Tagging Specification."""


@dataclass(frozen=True)
class Entry:
    """What is known of a stored result."""

    stage: str
    key: Key
    digest: str
    """Stands for the result in the keys of what is made from it."""
    seconds: float
    """How long it took to make."""
    disk_bytes: int = 0
    outline: str = ""
    """Another one means that something was lost; see `integrity`."""
    contents: str = ""


class DamagedError(PermanentError):
    """A stored result is not what was stored; found while it was read."""

    def __init__(self, file: Path) -> None:
        super().__init__(f"{file} is damaged: it has changed since it was made", hint="have a look at the disk (dmesg)")
        self.file = file


class Store:
    """One cache folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.layers = folder / "layers"
        self.archives = folder / "archives"
        self.downloads = folder / "downloads"
        self.work = folder / "work"
        self.outputs = folder / "outputs"
        self.logs = folder / "logs"
        self.durations = Durations(folder / "durations.json")
        self._new_seal = secrets.token_bytes(SEAL_BYTES)

    def check(self) -> None:
        """Raise InputError if the folder is somebody else's: builds delete in it."""
        if self.folder.is_dir() and any(self.folder.iterdir()) and not self._is_ours():
            raise InputError(
                f"{self.folder} is not a cache: something else is in it",
                hint=f"give an empty folder with --cache, such as {self.folder / 'appliance-cache'}",
            )

    def prepare(self) -> None:
        """Make the folders; only their owner may look into them. Raises InputError if it is no cache of ours."""
        self.check()
        if not self._is_tagged():
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            (self.folder / TAG).write_text(f"{SIGNATURE}# Of `appliance build`: it can be deleted at any time.\n")
        for folder in (self.layers, self.archives, self.downloads, self.work, self.outputs, self.logs):
            folder.mkdir(exist_ok=True)

    def _is_tagged(self) -> bool:
        try:
            return (self.folder / TAG).read_text().startswith(SIGNATURE)
        except FileNotFoundError:
            return False

    def _is_ours(self) -> bool:
        """Caches had no tag at first, but always this."""
        return self._is_tagged() or (self.folder / "seal").is_file()

    @contextmanager
    def locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """The cache to ourselves for the block; `waiting` is called once if another build has it."""
        with (self.folder / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            if self._seal() is self._new_seal:
                with written(self.folder / "seal", private=True) as seal:
                    seal.write_bytes(self._new_seal)
            yield

    def clean(self) -> None:
        """Remove what builds left behind that were killed."""
        for leftover in self.work.iterdir():
            remove(leftover)
        for folder in (self.folder, self.outputs):
            output.clean(folder)

    @contextmanager
    def workplace(self) -> Iterator[Path]:
        """An empty folder that is gone after the block, on the same file system as the results."""
        folder = Path(tempfile.mkdtemp(dir=self.work))
        try:
            yield folder
        finally:
            if folder.exists():
                remove(folder)

    def find(self, key: Key) -> Entry | None:
        """What is stored under `key`."""
        try:
            fields = json.loads((self.layers / key / "entry.json").read_text())
            if fields["format"] != FORMAT:
                return None
            return Entry(**{name: fields[name] for name in Entry.__dataclass_fields__})
        except (FileNotFoundError, ValueError, KeyError, TypeError):  # or damaged, or another version's
            return None

    def entries(self) -> list[Entry]:
        """Everything that is stored."""
        return [entry for layer in self._folders() if (entry := self.find(layer.name)) is not None]

    def strangers(self) -> list[Entry]:
        """What lies there and cannot be read: stored by another version of this program, or damaged."""
        folders = [layer for layer in self._folders() if self.find(layer.name) is None]
        return [
            Entry(STRANGER, folder.name, folder.name, 0.0, disk_bytes=integrity.disk_bytes(folder))
            for folder in folders
        ]

    def _folders(self) -> list[Path]:
        return [path for path in self.layers.iterdir() if path.is_dir() and not path.is_symlink()]

    def is_whole(self, entry: Entry, *, to_the_byte: bool = False) -> bool:
        """Whether a result is what was stored; with `to_the_byte`, all of it is read."""
        folder = self.layers / entry.key
        try:
            return (
                (folder / "tree").is_dir()
                and entry.outline == _of_kept(integrity.outline, folder)
                and (not to_the_byte or entry.contents == _of_kept(integrity.contents, folder))
            )
        except OSError:  # the disk cannot be read there
            return False

    def results(self, stage: str) -> list[Key]:
        """The keys of everything that is stored of a stage, what was used last first."""
        used = {entry.parent.name: entry.stat().st_mtime for entry in self.layers.glob("*/entry.json")}
        found = (self.find(key) for key in sorted(used, key=lambda key: -used[key]))
        return [entry.key for entry in found if entry is not None and entry.stage == stage]

    def tree(self, key: Key) -> Path:
        """The folder with a stored result."""
        return self.layers / key / "tree"

    def keep(self, folder: Path, entry: Entry) -> None:
        """Take `folder` into the store under the entry's key; of it, the result and what belongs to it."""
        for other in [path for path in folder.iterdir() if path.name not in KEPT]:
            remove(other)
        stored = replace(
            entry,
            disk_bytes=integrity.disk_bytes(folder),
            outline=_of_kept(integrity.outline, folder),
            contents=_of_kept(integrity.contents, folder),
        )
        fields = {"format": FORMAT, **asdict(stored)}
        (folder / "entry.json").write_text(json.dumps(fields, indent=1) + "\n")
        self.forget(entry.key)
        folder.rename(self.layers / entry.key)

    def forget(self, key: Key) -> None:
        """Remove what is stored under `key`, all at once: who is killed while it goes leaves nothing half."""
        if (self.layers / key).exists():
            with self.workplace() as place:
                (self.layers / key).rename(place / key)

    def key_of_file(self, file: Path) -> Key:
        """Of the result that a file belongs to."""
        return file.relative_to(self.layers).parts[0]

    def made_output(self, image: Path, stage: str, key: Key) -> bool:
        """Whether the files that `stage` left beside `image` are still those that it made under `key`."""
        made = _recorded(self._record(image, stage))
        try:
            return made["key"] == key and all(_state(Path(file)) == state for file, state in made["files"].items())
        except FileNotFoundError:
            return False

    def made_outputs(self) -> Iterator[tuple[Path, list[Path], list[Key]]]:
        """Of each stage that left files beside an image: the record of it, the files, and the results in them."""
        for record in self.outputs.glob("*.json"):
            made = _recorded(record)
            yield record, [Path(file) for file in made["files"]], made["layers"]

    def note_output(self, image: Path, stage: str, key: Key, files: Sequence[Path], layers: Sequence[Key] = ()) -> None:
        """Remember that `stage` made `files`, which lie beside `image`, under `key`, from the results `layers`."""
        made = {
            "key": key,
            "files": {str(file.absolute()): _state(file) for file in files},
            "layers": list(layers),
        }
        with written(self._record(image, stage)) as record:
            record.write_text(json.dumps(made))

    def used(self, key: Key) -> None:
        """Remember that the result under `key` was used now."""
        os.utime(self.layers / key / "entry.json")

    def used_at(self, entry: Entry) -> float:
        """When a result was last used, in seconds since 1970."""
        folder = self.layers / entry.key
        return (folder if entry.stage == STRANGER else folder / "entry.json").stat().st_mtime

    def _record(self, image: Path, stage: str) -> Path:
        return self.outputs / f"{stage}-{hashlib.sha256(bytes(image.absolute())).hexdigest()[:16]}.json"

    def sealed(self, content: bytes) -> str:
        """A digest of something secret that nobody can check guesses against without this cache's own key."""
        return hmac.new(self._seal(), content, hashlib.sha256).hexdigest()

    def _seal(self) -> bytes:
        """The cache's own key; before there is one, one that nothing was made with."""
        try:
            kept = (self.folder / "seal").read_bytes()
        except FileNotFoundError:
            kept = b""
        return kept if len(kept) == SEAL_BYTES else self._new_seal


def _of_kept(digest: Callable[[Path], str], folder: Path) -> str:
    """A digest of all that a result consists of."""
    return " ".join(digest(folder / name) for name in KEPT if (folder / name).is_dir())


class _Record(TypedDict):
    """What is remembered of the files that a stage left beside an image."""

    key: Key
    files: dict[str, list[int]]
    layers: list[Key]


def _recorded(record: Path) -> _Record:
    """What a record says; nothing where there is none, or a damaged one."""
    try:
        made = json.loads(record.read_text())
        return _Record(key=str(made["key"]), files=dict(made["files"]), layers=list(made["layers"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return _Record(key="", files={}, layers=[])


def _state(file: Path) -> list[int]:
    """What changes when somebody writes to a file."""
    known = file.stat()
    return [known.st_ino, known.st_size, known.st_mtime_ns]


def key_of(inputs: Mapping[str, object]) -> Key:
    """The key for a result made from `inputs`, which JSON can hold."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:32]


def digest_of_files(*paths: Path) -> str:
    """A digest of files and folders: names, modes (executable or not) and content; bytecode is left out."""
    digest = hashlib.sha256()
    for path in paths:
        below = sorted(path.rglob("*")) if path.is_dir() and not path.is_symlink() else [path]
        for file in below:
            if "__pycache__" in file.parts or (file.is_dir() and not file.is_symlink()):
                continue
            content = bytes(file.readlink()) if file.is_symlink() else file.read_bytes()
            kind = "l" if file.is_symlink() else "x" if file.stat().st_mode & stat.S_IXUSR else "-"
            name = file.relative_to(path) if file != path else path.name
            digest.update(f"{kind} {name} {len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()


def remove(path: Path) -> None:
    """Remove a folder even if files in it forbid it, as overlayfs's work folder does (mode 0)."""
    for folder, _, _ in os.walk(path):
        os.chmod(folder, 0o700)  # noqa: PTH101 (os.walk yields names)
    shutil.rmtree(path)
