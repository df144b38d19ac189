"""Names: which image a word means among the records of a catalogue, and how names are given and taken away."""

from __future__ import annotations

from mydocker.errors import MydockerError, NotFound, UsageError
from mydocker.image.manifest import Manifest
from mydocker.image.reference import Reference
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mydocker.image.blobs import Blobs
    from mydocker.image.catalogue import Record
    from mydocker.image.digest import Digest

_HEX = "0123456789abcdef"


def by_manifest(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the records of each image, in the order in which the images came."""
    grouped: dict[Digest, list[Record]] = {}
    for record in records:
        if record.is_image:
            grouped.setdefault(record.manifest.digest, []).append(record)
    return iter(grouped.values())


def by_name(records: list[Record], text: str) -> Digest | None:
    """Return the manifest that a name (`name`, `name:tag`, `name@digest`) means, or None; the last one given counts."""
    if text.startswith("sha256:"):
        return None
    try:
        wanted = Reference.parse(text)
    except MydockerError:
        return None
    for record in reversed(records):
        name = record.reference
        if name is None or name.name != wanted.name:
            continue
        if wanted.digest is not None:
            if wanted.digest in (record.manifest.digest, name.digest):
                return record.manifest.digest
        elif name.tag == wanted.tag:
            return record.manifest.digest
    return None


def by_id(records: list[Record], text: str, blobs: Blobs) -> Digest | None:
    """Return the manifest of the image whose id begins so, or None; `UsageError` where several do."""
    prefix = text.removeprefix("sha256:")
    if not prefix or prefix.strip(_HEX):
        return None
    ids: dict[Digest, Digest] = {}
    for record in records:
        image_id = record.image_id or _read_id(record, blobs)
        if image_id.hex.startswith(prefix):
            ids[image_id] = record.manifest.digest
        elif len(prefix) == 64 and record.manifest.digest.hex == prefix:
            return record.manifest.digest
    if len(ids) > 1:
        raise UsageError(f"image id {text!r} is ambiguous", "it begins " + ", ".join(i.short for i in ids))
    return next(iter(ids.values()), None)


def _read_id(record: Record, blobs: Blobs) -> Digest:
    """Return the id of an image that another tool put into the index."""
    return Manifest.parse(blobs.read(record.manifest.digest), record.manifest.media_type).config.digest


def claim(records: list[Record], name: Reference, record: Record) -> None:
    """Let `name` mean `record`. An image that loses its last name so stays, without one."""
    for at, other in enumerate(records):
        if other.reference == name:
            if other.manifest.digest == record.manifest.digest:
                records[at] = record
                return
            if sum(1 for each in records if each.manifest.digest == other.manifest.digest) > 1:
                del records[at]
            else:
                records[at] = other._replace(reference=None)
            break
    mine = record.manifest.digest
    nameless = [at for at, each in enumerate(records) if each.manifest.digest == mine and not each.reference]
    for at in nameless[:1]:
        del records[at]
    records.append(record)


def release(records: list[Record], name: Reference) -> None:
    """Take a name away; an image that loses its last name stays, without one. Raises `NotFound`."""
    at = next((at for at, record in enumerate(records) if record.reference == name), None)
    if at is None:
        raise NotFound(f"no image {name.familiar!r}")
    gone = records.pop(at)
    if not any(record.manifest.digest == gone.manifest.digest for record in records):
        records.insert(at, gone._replace(reference=None))
