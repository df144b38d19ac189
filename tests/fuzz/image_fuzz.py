"""Structure-aware fuzzing of layers and image archives (docs/images.md tells how to run it). Needs root.

    python -m tests.fuzz.image_fuzz [--seconds N | --cases N] [--seed N] [--case N]

Archives are made member by member from what unpackers get wrong, then some are damaged byte by byte; documents of image
archives get values that they should not have. Whatever comes, only errors about the image may come out, in less than
5 seconds and 300 MB; nothing beside the store changes, and nothing unfinished stays. What was accepted must unpack the
same a second time, and pack and unpack into the same again. A case is made from the seed and its number alone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from mydocker.errors import ImageError, MydockerError, StoreError
from mydocker.image.digest import DiffID
from mydocker.image.layers import Expected
from mydocker.image.layout import Layout
from mydocker.image.limits import Limits
from mydocker.image.manifest import OCI_LAYER, Descriptor, Layer
from mydocker.image.store import ImageStore
from tests.fuzz.archives import damaged, image_archive, layer, packed
from tests.system.image.trees import Fact, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 5
_MEGABYTES = 300
_LIMITS = Limits(size=32 * 2**20, entries=5_000, ratio=100, ratio_from=4 * 2**20)


class Defect(Exception):
    """What must not happen."""


class Arena:
    """A store, and beside it a secret that no archive may touch."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.secret = place / "secret"
        self.secret.mkdir()
        (self.secret / "file").write_text("untouched")
        os.mkfifo(self.secret / "fifo")
        os.chmod(self.secret / "file", 0o600)
        self._before = self._outside()
        self.store = ImageStore(Layout.open(str(place / "store")), limits=_LIMITS)

    def try_layers(self, rng: random.Random) -> None:
        """Unpack one to three layers on top of one another, from blobs and as they come."""
        stack: list[Layer] = []
        paths: list[str] = []
        for _ in range(rng.choice((1, 1, 2, 3))):
            plain = layer(rng, os.fsencode(self.secret))
            data = damaged(rng, packed(rng, plain))
            blob = Descriptor(OCI_LAYER, self.store.blobs.put_bytes(data), len(data))
            one = Layer(DiffID.of(plain), blob)
            diff_ids = tuple(each.diff_id for each in (*stack, one))
            expected = Expected(tuple(dict.fromkeys(paths[::-1])), diff_ids)
            path = self.store.layers.unpack_blob(one, expected)
            self._check_accepted(one, expected, path)
            stack.append(one)
            paths.append(path)

    def try_archive(self, rng: random.Random) -> None:
        """Load an image archive with odd documents, and take out again what was let in."""
        (self.place / "archive").write_bytes(damaged(rng, packed(rng, image_archive(rng))))
        images = self.store.load(str(self.place / "archive"))
        if self.store.fsck().problems:
            raise Defect(f"a loaded archive leaves {self.store.fsck().problems}")
        for image in images:
            self.store.save(str(self.place / "saved"), [str(image.id)], form="oci-archive")

    def check(self) -> None:
        """Look whether anything is where it should not be, then empty the store."""
        if self._outside() != self._before or os.path.lexists("/escaped"):
            raise Defect("something outside of the store has changed")
        layout = self.store.layout
        if os.listdir(layout.tmp):
            raise Defect(f"unfinished work is left: {os.listdir(layout.tmp)}")
        self.store.prune(self.store.images())
        if os.listdir(layout.snapshots) or os.listdir(layout.blobs):
            raise Defect("the store cannot be emptied")
        for name in ("archive", "saved"):
            (self.place / name).unlink(missing_ok=True)

    def _check_accepted(self, one: Layer, expected: Expected, path: str) -> None:
        if (where := self.store.layers.damage(one, expected, path)) is not None:
            raise Defect(f"a second unpacking differs in {where!r}")
        for name in os.listdir(path):
            if name.startswith(".wh."):
                raise Defect(f"a whiteout is there as a file: {name}")
        if expected.below or _has_marks(path):
            return
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            again = self.store.layers.pack_tree(root, None)
        finally:
            os.close(root)
        copy = self.store.layers.unpack_blob(again, Expected((), (again.diff_id,)))
        if describe(copy) != describe(path):
            raise Defect("what was unpacked does not survive being packed")

    def _outside(self) -> dict[str, Fact]:
        return {**describe(self.secret), **{f"/{name}": _EXISTS for name in os.listdir("/")}}


_EXISTS = Fact("", 0, 0, 0, 0, "", (0, 0), (), ())


def _has_marks(path: str) -> bool:
    """Tell whether a snapshot has whiteouts or opaque directories, which a tree that is packed may not have."""
    found = describe(path)
    return os.listxattr(path) != [] or any(
        (fact.kind, fact.device) == ("c", (0, 0)) or any(key.endswith(".opaque") for key, _ in fact.xattrs)
        for fact in found.values()
    )


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def late(*unused: object) -> None:
        raise Defect(f"it takes more than {_SECONDS} seconds")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def one_case(arena: Arena, seed: int, number: int) -> bool:
    """Try one case; tell whether it was accepted. Raises for a defect."""
    rng = random.Random(f"{seed}:{number}")
    accepted = True
    with _limited():
        try:
            (arena.try_archive if number % 4 == 3 else arena.try_layers)(rng)
        except (ImageError, StoreError):
            accepted = False
        except MydockerError as failed:
            if type(failed).__name__ not in ("NotFound", "UsageError"):
                raise
            accepted = False
    arena.check()
    if (used := _most_memory()) > _MEGABYTES:
        raise Defect(f"it takes {used} MB")
    return accepted


def main() -> int:
    """Run cases until the time or the number is up; print what failed and how to see it again."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--cases", type=int, default=0, help="so many instead of so long")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--case", type=int, default=None, help="only this one")
    options = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="image-fuzz-"))
    numbers = [options.case] if options.case is not None else range(options.cases or sys.maxsize)
    deadline = time.monotonic() + (options.seconds if not options.cases else 10**9)
    tried = accepted = 0
    try:
        arena = Arena(place)
        for number in numbers:
            if time.monotonic() > deadline:
                break
            try:
                accepted += one_case(arena, options.seed, number)
            except Exception:
                traceback.print_exc()
                sys.stderr.write(f"again with --seed {options.seed} --case {number}\n")
                return 1
            tried += 1
    finally:
        shutil.rmtree(place, ignore_errors=True)
    sys.stdout.write(f"seed {options.seed}: {tried} cases, {accepted} accepted, {_most_memory()} MB at most\n")
    return 0


def _most_memory() -> int:
    """Return the megabytes that this program had at most; getrusage(2) would count what started it as well."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    raise Defect("the kernel does not say how much memory is used")


if __name__ == "__main__":
    sys.exit(main())
