"""Flatten an image in an OCI layout to a table of files, with the standard library's tar reader: a second opinion."""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from pathlib import Path

File = dict[str, Any]

_TYPES = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "symlink",
    tarfile.FIFOTYPE: "fifo",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
}
_MOUNTED_OVER = ("etc/hosts", "etc/hostname", "etc/resolv.conf", ".dockerenv")


def blob(root: Path, digest: str) -> bytes:
    """Return a blob's bytes."""
    return (root / "blobs" / digest.replace(":", "/")).read_bytes()


def flatten(root: Path, manifest_digest: str) -> tuple[dict[str, Any], dict[str, File]]:
    """Return the image's config document and its files by path, as the corpus describes them."""
    manifest = json.loads(blob(root, manifest_digest))
    config = json.loads(blob(root, manifest["config"]["digest"]))
    inodes: dict[str, list[Any]] = {}
    for layer in manifest["layers"]:
        data = blob(root, layer["digest"])
        assert "sha256:" + hashlib.sha256(data).hexdigest() == layer["digest"]
        apply_layer(inodes, zstandard.ZstdDecompressor().decompressobj().decompress(data))
    return config, describe(inodes)


def apply_layer(inodes: dict[str, list[Any]], tar: bytes) -> None:
    """Apply one layer's tar to `inodes`: path -> [description], the same list object for names of one inode."""
    removed: list[str] = []
    added: list[tuple[str, list[Any]]] = []
    fresh: dict[str, list[Any]] = {}
    with tarfile.open(fileobj=io.BytesIO(tar), encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            path = posixpath.normpath(member.name).lstrip("/")
            name = posixpath.basename(path)
            if name == ".wh..wh..opq":
                removed += [each for each in inodes if each.startswith(posixpath.dirname(path) + "/")]
            elif name.startswith(".wh."):
                gone = posixpath.join(posixpath.dirname(path), name[4:])
                removed += [each for each in inodes if each == gone or each.startswith(gone + "/")]
            elif member.islnk():
                target = posixpath.normpath(member.linkname).lstrip("/")
                added.append((path, fresh.get(target) or inodes[target]))
                fresh[path] = added[-1][1]
            elif path != ".":
                added.append((path, [_describe(archive, member)]))
                fresh[path] = added[-1][1]
    for path in removed:
        inodes.pop(path, None)
    for path, inode in added:
        if path in inodes and inodes[path][0]["type"] == "dir" and inode[0]["type"] != "dir":
            for below in [each for each in inodes if each.startswith(path + "/")]:
                del inodes[below]
        inodes[path] = inode


def _describe(archive: tarfile.TarFile, member: tarfile.TarInfo) -> File:
    kind = _TYPES[member.type]
    file: File = {"type": kind, "uid": member.uid, "gid": member.gid}
    if kind != "symlink":
        file["mode"] = f"{member.mode & 0o7777:04o}"
    if kind == "file":
        stream = archive.extractfile(member)
        assert stream is not None
        file["size"] = member.size
        file["sha256"] = hashlib.sha256(stream.read()).hexdigest()
    elif kind == "symlink":
        file["linkname"] = member.linkname
    elif kind in ("char", "block"):
        file["dev"] = f"{member.devmajor}:{member.devminor}"
    prefix = "SCHILY.xattr."
    attributes = {
        key.removeprefix(prefix): value.encode("utf-8", "surrogateescape").hex()
        for key, value in member.pax_headers.items()
        if key.startswith(prefix)
    }
    if attributes:
        file["xattrs"] = attributes
    return file


def describe(inodes: dict[str, list[Any]]) -> dict[str, File]:
    """Return the corpus's form: one description per path, with the other names of its inode."""
    names: dict[int, list[str]] = {}
    for path, inode in inodes.items():
        names.setdefault(id(inode), []).append(path)
    found: dict[str, File] = {}
    for path, inode in inodes.items():
        top = path.partition("/")[0]
        if (top in ("dev", "proc", "sys") and "/" in path) or path in _MOUNTED_OVER:
            continue
        file = dict(inode[0])
        others = sorted(set(names[id(inode)]) - {path})
        if others:
            file["hardlinks"] = others
        found[path] = file
    return found
