"""Volumes: directories that outlive containers, and the words -v, --mount and --tmpfs.

    volumes/NAME/_data       what is in it
    volumes/NAME/volume.json when it was made, its labels, whether it is anonymous

A new volume is filled with what the image has at its place, once (docker's copy-up).
"""

from __future__ import annotations

import os
import time

from mydocker.errors import Busy, NotFound, StoreError, UsageError
from mydocker.linux.files import RESOLVE_IN_ROOT, openat2, remove_tree
from mydocker.runtime.options import Mount
from mydocker.runtime.record import read_json, write_json
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_REST = _FIRST | frozenset("_.-")
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_WORDS = frozenset(
    [
        "ro",
        "rw",
        "z",
        "Z",
        "nocopy",
        "exec",
        "noexec",
        "suid",
        "nosuid",
        "dev",
        "nodev",
        "consistent",
        "cached",
        "delegated",
        "private",
        "rprivate",
        "slave",
        "rslave",
        "shared",
        "rshared",
        "idmap",
    ]
)
_IGNORED = frozenset(("rw", "z", "Z", "nocopy", "consistent", "cached", "delegated"))


class Volume(NamedTuple):
    """One volume: its name, its directory, when it was made (seconds since 1970)."""

    name: str
    path: str
    created: float
    anonymous: bool = False
    labels: tuple[tuple[str, str], ...] = ()


class Wanted(NamedTuple):
    """One thing to mount: `source` is a host path, a volume's name, or "" for an anonymous volume."""

    target: str
    source: str
    kind: str
    options: tuple[str, ...] = ()
    copy: bool = True

    @property
    def is_volume(self) -> bool:
        """Whether a volume is meant."""
        return self.kind == "volume"


class Volumes(NamedTuple):
    """The volumes below `directory` (ROOT/volumes)."""

    directory: str

    def create(self, name: str = "", labels: tuple[tuple[str, str], ...] = ()) -> Volume:
        """Make a volume, with a random name when none is given; one that exists is returned as it is."""
        anonymous = not name
        name = name or os.urandom(32).hex()
        _check_name(name)
        path = f"{self.directory}/{name}"
        os.makedirs(f"{path}/_data", 0o711, exist_ok=True)
        os.chmod(self.directory, 0o711)
        facts = f"{path}/volume.json"
        if not os.path.exists(facts):
            os.chmod(f"{path}/_data", 0o755)
            write_json(facts, {"created": time.time(), "anonymous": anonymous, "labels": labels}, durable=True)
        return self.find(name)

    def find(self, name: str) -> Volume:
        """Return the volume called `name`. Raise NotFound."""
        try:
            facts = read_json(f"{self.directory}/{name}/volume.json") if _is_name(name) else None
        except FileNotFoundError:
            facts = None
        if facts is None:
            raise NotFound(f"no such volume: {name}", hint="`mydocker volume ls` lists them")
        labels = tuple((key, value) for key, value in facts.get("labels", ()))
        path = f"{self.directory}/{name}/_data"
        return Volume(name, path, float(facts["created"]), bool(facts.get("anonymous")), labels)

    def list(self) -> list[Volume]:
        """Return all volumes, by name."""
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return []
        return [self.find(name) for name in names if os.path.exists(f"{self.directory}/{name}/volume.json")]

    def remove(self, name: str, used: Iterable[str]) -> None:
        """Remove a volume that is not among those `used`. Raise Busy, NotFound."""
        self.find(name)
        if name in set(used):
            raise Busy(f"cannot remove volume {name}", "a container uses it", "`mydocker ps` lists containers")
        folder = os.open(self.directory, _DIRECTORY)
        try:
            os.unlink(f"{name}/volume.json", dir_fd=folder)
            remove_tree(folder, name.encode())
        finally:
            os.close(folder)


def _is_name(name: str) -> bool:
    return bool(name) and name[0] in _FIRST and _REST.issuperset(name) and len(name) <= 255


def _check_name(name: str) -> None:
    if not _is_name(name):
        raise UsageError(f"{name!r} cannot be a volume's name", hint="letters, digits, and after the first one _ . -")


def parse_volume(text: str) -> Wanted:
    """Read `-v [SOURCE:]TARGET[:OPTIONS]`: a source with a slash in front is a host path, else a volume's name."""
    parts = text.split(":")
    options: list[str] = []
    if len(parts) > 1 and (len(parts) == 3 or not parts[1].startswith("/")):
        options = [word for word in parts.pop().split(",") if word]
    if len(parts) > 2 or not all(parts):
        raise UsageError(f"-v {text}", "not of the form [SOURCE:]TARGET[:OPTIONS]")
    unknown = [word for word in options if word not in _WORDS]
    if unknown:
        raise UsageError(f"-v {text}", f"unknown option {unknown[0]}", "ro, rw, nocopy, rshared, rslave, rprivate ...")
    target = _target(parts[-1], f"-v {text}")
    source = parts[0] if len(parts) == 2 else ""
    kept = tuple(word for word in options if word not in _IGNORED)
    if source.startswith(("/", "./", "../")) or source in (".", ".."):
        return Wanted(target, os.path.abspath(source), "bind", kept)
    if source:
        _check_name(source)
    return Wanted(target, source, "volume", kept, "nocopy" not in options)


def parse_mount(text: str) -> Wanted:
    """Read `--mount type=bind|volume|tmpfs,src=...,dst=...,readonly,...`."""
    fields: dict[str, str] = {}
    for word in text.split(","):
        key, equals, value = word.partition("=")
        fields[key.lower()] = value if equals else "true"
    kind = fields.pop("type", "volume")
    source = next((fields.pop(key) for key in ("source", "src") if key in fields), "")
    target = next((fields.pop(key) for key in ("target", "dst", "destination") if key in fields), "")
    options = []
    if any(fields.pop(key, "false") in ("true", "1") for key in ("readonly", "ro")):
        options.append("ro")
    if "bind-propagation" in fields:
        options.append(fields.pop("bind-propagation"))
    if any(fields.pop(key, "false") in ("true", "1") for key in ("idmap", "bind-idmap")):
        options.append("idmap")
    size, mode = fields.pop("tmpfs-size", ""), fields.pop("tmpfs-mode", "")
    copy = fields.pop("volume-nocopy", "false") not in ("true", "1")
    unknown = [*fields, *(word for word in options if word not in _WORDS)]
    if unknown or kind not in ("bind", "volume", "tmpfs"):
        raise UsageError(f"--mount {text}", f"unknown: {unknown[0] if unknown else 'type=' + kind}")
    target = _target(target, f"--mount {text}")
    if kind == "tmpfs":
        extra = ([f"size={size}"] if size else []) + ([f"mode={mode}"] if mode else [])
        return Wanted(target, "", "tmpfs", ("nosuid", "nodev", "noexec", *options, *extra))
    if kind == "bind" and not os.path.exists(source):
        raise UsageError(f"--mount {text}", f"there is no {source or 'source'}")
    if kind == "volume" and source:
        _check_name(source)
    return Wanted(target, os.path.abspath(source) if kind == "bind" else source, kind, tuple(options), copy)


def parse_tmpfs(text: str) -> Wanted:
    """Read `--tmpfs TARGET[:OPTIONS]`."""
    target, _, words = text.partition(":")
    given = [word for word in words.split(",") if word]
    defaults = [word for word in ("nosuid", "nodev", "noexec") if word.removeprefix("no") not in given]
    kept = [word for word in given if word not in ("rw", "exec", "suid", "dev")]
    return Wanted(_target(target, f"--tmpfs {text}"), "", "tmpfs", (*defaults, *kept))


def _target(path: str, shown: str) -> str:
    if not path.startswith("/") or os.path.normpath(path) in ("/", "//") or ".." in path.split("/"):
        raise UsageError(shown, f"{path!r} is not a place in the container", "an absolute path, not / itself")
    return os.path.normpath(path).replace("//", "/")


def prepare(wanted: Wanted, volumes: Volumes, image_root: int) -> tuple[Mount, str]:
    """Return the mount and the name of the volume in use ("" for none); a new volume is made and filled.

    `image_root` is the image's merged root. The place of a volume is looked up in it as the container would, so that
    links of the image stay inside (CVE-2022-23648).
    """
    if wanted.kind == "tmpfs":
        return Mount(wanted.target, "tmpfs", "tmpfs", wanted.options), ""
    if wanted.kind == "bind":
        if not os.path.exists(wanted.source):
            os.makedirs(wanted.source, 0o755)
        _check_propagation(wanted)
        return Mount(wanted.target, wanted.source, "bind", wanted.options), ""
    volume = volumes.create(wanted.source)
    if wanted.copy:
        _fill(volume, wanted.target, image_root)
    # On the disk a volume has the ids that containers see, whatever those are outside.
    words = wanted.options if "idmap" in wanted.options else (*wanted.options, "idmap")
    return Mount(wanted.target, volume.path, "bind", words), volume.name


def _check_propagation(wanted: Wanted) -> None:
    """Raise UsageError where mounts shall cross between host and container, and the host's mount lets none out."""
    words = {*wanted.options} & {"shared", "rshared", "slave", "rslave"}
    if not words:
        return
    descriptor = os.open(wanted.source, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
            number = next(line.split()[1] for line in file if line.startswith("mnt_id:"))
    finally:
        os.close(descriptor)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        lines = [line.partition(" - ")[0].split()[6:] for line in file if line.split(" ", 1)[0] == number]
    tags = {tag.partition(":")[0] for optional in lines for tag in optional}
    needed = {"shared"} if words & {"shared", "rshared"} else {"shared", "master"}
    if not tags & needed:
        why = f"the mount that {wanted.source} lies on is not {' or '.join(sorted(needed))}"
        raise UsageError(f"{min(words)} for {wanted.target}", why, "mount --make-shared changes that")


def _fill(volume: Volume, target: str, image_root: int) -> None:
    """Copy what the image has at `target` into a volume that is still empty."""
    try:
        source = openat2(image_root, target, _DIRECTORY, resolve=RESOLVE_IN_ROOT)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        into = os.open(volume.path, _DIRECTORY)
        try:
            if not os.listdir(into):
                from mydocker.image.copy import copy_tree

                copy_tree(source, into)
        except OSError as err:
            raise StoreError(f"cannot fill volume {volume.name}", err.strerror or str(err)) from err
        finally:
            os.close(into)
    finally:
        os.close(source)
