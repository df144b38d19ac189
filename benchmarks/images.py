"""Images beside docker, GNU tar, Python's tarfile, umoci and skopeo: a Debian root file system, and many small files.

    python -m benchmarks.images [import|save|load|unpack|small|other]...

Without words everything is measured. All contenders write to the same file system and are measured in turn; what is on
the page cache is there for all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks._debian import debian_tar
from benchmarks._docker import dockerd, missing
from benchmarks._harness import Contender, command, measure, report
from mydocker.image.layers import Expected
from mydocker.image.layout import Layout
from mydocker.image.store import ImageStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from mydocker.image.manifest import Layer

_ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
_FILES = int(os.environ.get("BENCH_FILES", "10000"))
_GNU_TAR = ["tar", "--numeric-owner", "--xattrs", "--xattrs-include=*"]


class Bench(NamedTuple):
    """Where everything is: the folder, the archive, the words that begin our commands and docker's (empty: none)."""

    place: Path
    tar: Path
    mydocker: list[str]
    docker: list[str]


def main() -> None:
    """Measure what the words on the command line name."""
    if os.geteuid():
        sys.exit("benchmarks of images need root")
    chosen = sys.argv[1:] or list(_SUBJECTS)
    with tempfile.TemporaryDirectory(prefix="bench-images-") as name, ExitStack() as stack:
        place = Path(name)
        debian_tar(place / "base.tar")
        docker: list[str] = []
        if not missing() and {"import", "save", "load"} & set(chosen):
            (place / "docker").mkdir()
            docker = stack.enter_context(dockerd(place / "docker"))
        mydocker = [sys.executable, "-m", "mydocker", "--root", str(place / "store")]
        bench = Bench(place, place / "base.tar", mydocker, docker)
        for subject in chosen:
            for words in filter(None, (mydocker, docker)):
                command([*words, "import", str(bench.tar), "bench"])()
            _SUBJECTS[subject](bench)


def _import(bench: Bench) -> None:
    tar = str(bench.tar)
    _beside_docker(bench, "import", ["import", "-m", "measured", tar, "measured"], ["import", tar, "measured"])


def _save(bench: Bench) -> None:
    ours, theirs = str(bench.place / "ours.tar"), str(bench.place / "theirs.tar")
    _beside_docker(bench, "save", ["save", "-o", ours, "bench"], ["save", "-o", theirs, "bench"], forget=False)


def _load(bench: Bench) -> None:
    archive = str(bench.place / "archive.tar")
    command([*bench.mydocker, "import", "-m", "to be loaded", str(bench.tar), "measured"])()
    command([*bench.mydocker, "save", "-o", archive, "measured"])()
    # Layers that are there already would not be read: all images that they are also in go away.
    command([*bench.mydocker, "prune", "-a"])()
    if bench.docker:
        command([*bench.docker, "image", "prune", "-af"])()
    _beside_docker(bench, "load", ["load", "-i", archive], ["load", "-i", archive])


def _beside_docker(bench: Bench, title: str, ours: list[str], theirs: list[str], *, forget: bool = True) -> None:
    def forgetting(words: list[str]) -> Callable[[], object] | None:
        return (lambda: subprocess.run([*words, "rmi", "-f", "measured"], capture_output=True)) if forget else None

    docker = Contender(f"docker {title}", lambda: None, why_not=missing())
    if bench.docker:
        docker = Contender(f"docker {title}", command([*bench.docker, *theirs]), forgetting(bench.docker))
    contenders = [
        Contender(f"mydocker {title}", command([*bench.mydocker, *ours]), forgetting(bench.mydocker)),
        docker,
    ]
    report(f"{title}, Debian root file system", contenders, measure(contenders, _ROUNDS, warm_up=1))


def _unpack(bench: Bench) -> None:
    """A layer's blob into a snapshot beside GNU tar, which has neither to decompress nor to verify anything."""
    store = ImageStore(Layout.open(str(bench.place / "store")))
    (layer,) = store.resolve("bench").layers
    target = bench.place / "unpacked"
    contenders = [_unpacking(store, layer), *_extracting(bench.tar, target), _umoci(bench, target)]
    report("unpack a layer, Debian root file system", contenders, measure(contenders, _ROUNDS, warm_up=1))


def _small(bench: Bench) -> None:
    """Many small files packed and unpacked."""
    tree, tar, target = bench.place / "tree", bench.place / "small.tar", bench.place / "unpacked"
    for number in range(_FILES):
        folder = tree / f"d{number % 100}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"f{number}.txt").write_text(f"file {number}\n" * 20)
    store = ImageStore(Layout.open(str(bench.place / "store")))
    command(["tar", "-C", str(tree), "-cf", str(tar), "."])()
    contenders = [
        Contender("mydocker pack", lambda: _packed(store, tree)),
        Contender("tar -c", command([*_GNU_TAR, "-C", str(tree), "-cf", f"{tar}.again", "."])),
        Contender("tarfile.add", lambda: _tarfile(tree, bench.place / "python.tar")),
    ]
    report(f"pack {_FILES} small files", contenders, measure(contenders, _ROUNDS, warm_up=1))
    contenders = [_unpacking(store, _packed(store, tree)), *_extracting(tar, target)]
    contenders.append(
        Contender("tarfile.extractall", lambda: tarfile.open(tar).extractall(target, filter="tar"), _empty(target))
    )
    report(f"unpack {_FILES} small files", contenders, measure(contenders, _ROUNDS, warm_up=1))


def _packed(store: ImageStore, tree: Path) -> Layer:
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return store.layers.pack_tree(fd, None)
    finally:
        os.close(fd)


def _tarfile(tree: Path, target: Path) -> None:
    with tarfile.open(target, "w") as archive:
        archive.add(tree, ".")


def _unpacking(store: ImageStore, layer: Layer) -> Contender:
    def forget() -> None:
        store.snapshots.discard(layer.diff_id.hex)

    return Contender("mydocker unpack", lambda: store.layers.unpack_blob(layer, Expected((), (layer.diff_id,))), forget)


def _extracting(tar: Path, target: Path) -> list[Contender]:
    words = [*_GNU_TAR, "-C", str(target), "-xpf", str(tar)]
    return [Contender("tar -x", command(words), _empty(target))]


def _empty(target: Path) -> Callable[[], None]:
    def make() -> None:
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()

    return make


def _umoci(bench: Bench, target: Path) -> Contender:
    if not shutil.which("umoci"):
        return Contender("umoci unpack", lambda: None, why_not="umoci is not installed")
    layout = str(bench.place / "gzip")
    archive = f"{layout}.tar"
    command([*bench.mydocker, "save", "--format", "oci-archive", "--compression", "gzip", "-o", archive, "bench"])()
    os.makedirs(layout, exist_ok=True)
    command(["tar", "-C", layout, "-xf", archive])()
    words = ["umoci", "unpack", "--image", f"{layout}:bench:latest", f"{target}/bundle"]
    return Contender("umoci unpack (gzip)", command(words), _empty(target))


def _other(bench: Bench) -> None:
    """Take an image from one OCI layout into another beside skopeo."""
    layout, ours, theirs = str(bench.place / "store"), bench.place / "second", bench.place / "copied"
    mydocker = [sys.executable, "-m", "mydocker", "--root", str(ours)]
    contenders = [Contender("mydocker load of a layout", command([*mydocker, "load", layout]), _empty(ours))]
    if shutil.which("skopeo"):
        words = ["skopeo", "--insecure-policy", "copy", "-q", f"oci:{layout}:bench:latest", f"oci:{theirs}:bench"]
        contenders.append(Contender("skopeo copy (unpacks nothing)", command(words), _empty(theirs)))
    else:
        contenders.append(Contender("skopeo copy", lambda: None, why_not="skopeo is not installed"))
    report("copy an image to another layout", contenders, measure(contenders, _ROUNDS, warm_up=1))


_SUBJECTS: dict[str, Callable[[Bench], None]] = {
    "import": _import, "save": _save, "unpack": _unpack, "small": _small, "other": _other, "load": _load,
}  # fmt: skip

if __name__ == "__main__":
    main()
