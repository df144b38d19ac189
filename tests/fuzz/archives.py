"""Archives for the fuzzer: members out of everything that unpackers get wrong, images with odd documents, damage."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
from typing import TYPE_CHECKING, Any

import zstandard

from tests.system.image.hostile import Member, archive, honest, padded

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

_PARTS = (b"..", b".", b"", b".wh.", b".wh..", b".wh...", b".wh..wh.plnk", b"\xff\xfe", b"n" * 101, b"n" * 255,
          b"n" * 256, b"new\nline", b"-x", b"etc")  # fmt: skip
_USUAL = (b"a", b"b", b"c", b"d", b"dir", b"link")
_LAST = (*_USUAL, *_USUAL, b".wh.a", b".wh.b", b".wh..wh..opq", b".wh..wh.plnk", b"n" * 101)
_KINDS = (b"0", b"0", b"0", b"0", b"5", b"5", b"5", b"1", b"2", b"2", b"3", b"6")
_ODD_KINDS = (b"4", b"7", b"\0", b"s", b"S", b"g", b"x", b"L", b"K", b"V", b"\xff")
_NUMBERS = (0, 0, 0, 1, 7, 1000, 2**21, 2**31, 2**32 - 2, 2**32 - 1, 2**32, 2**63, -1, -(2**63))
_MODES = (0o644, 0o755, 0o600, 0, 0o1777, 0o6755, 0o7777)
_XATTRS = (
    b"user.a", b"user.b=c", b"user.overlay.opaque", b"trusted.overlay.opaque", b"trusted.overlay.redirect",
    b"trusted.overlay.metacopy", b"security.selinux", b"trusted.x", b"security.capability",
    b"system.posix_acl_access", b"system.posix_acl_default", b"system.nfs4_acl", b"user." + b"n" * 300, b"",
)  # fmt: skip
_VALUES = (b"", b"y", b"x" * 100, bytes.fromhex("0100000200040000000000000000000000000000"), b"x" * 70_000)
_RECORDS = (b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime", b"atime", b"hdrcharset", b"GNU.sparse.size",
            b"GNU.sparse.map", b"GNU.sparse.major", b"GNU.sparse.minor", b"GNU.sparse.realsize", b"GNU.sparse.name",
            b"GNU.sparse.offset", b"GNU.sparse.numbytes", b"comment")  # fmt: skip
_TEXTS = (b"0", b"1", b"-1", b"5", b"512", b"1.5", b"-1.25", b"1e9", b"0,1", b"0,1,5,1", b"9" * 25, b"a/../../b", b"x",
          b"", b"\0", b"BINARY", b"0,512", b" 1")  # fmt: skip


def layer(rng: random.Random, secret: bytes) -> bytes:
    """Return a plain tar of up to twenty members, some of which want to reach `secret`.

    One odd member is enough to have an archive refused, so how odd its members are is chosen for the whole of it.
    """
    oddness = rng.choice((0.0, 0.0, 0.03, 0.2))
    members: list[Member] = []
    for _ in range(rng.choice((1, 2, 3, 5, 8, 20))):
        members.append(_member(rng, secret, oddness, [member.name for member in members]))
    return archive(*members, end=rng.random() < 0.9) + (b"x" * rng.randrange(600) if rng.random() < 0.05 else b"")


def _member(rng: random.Random, secret: bytes, oddness: float, earlier: list[bytes]) -> Member:
    def odd() -> bool:
        return rng.random() < oddness

    data = rng.choice((b"", b"x", rng.randbytes(700), bytes(70_000), b"1\n0\n1\n".ljust(512, b"\0") + b"x"))
    kind = rng.choice(_ODD_KINDS) if odd() else rng.choice(_KINDS)
    link = rng.choice(earlier) if earlier and not odd() else _path(rng, secret, oddness)
    if kind == b"1" and not earlier and not odd():
        kind = b"0"
    return Member(
        name=_path(rng, secret, oddness),
        kind=kind,
        data=data if kind in (b"0", b"\0", b"7") or odd() else b"",
        link=link,
        mode=rng.choice(_MODES),
        uid=rng.choice(_NUMBERS if odd() else _NUMBERS[:9]),
        gid=rng.choice(_NUMBERS if odd() else _NUMBERS[:9]),
        mtime=rng.choice(_NUMBERS) if odd() else rng.randrange(2**31),
        size=rng.choice((0, 1, 511, 2**20, 2**40, -5)) if odd() and odd() else -1,
        device=rng.choice(((0, 0), (5, 2**20), (2**12, 0))) if odd() else (1, 3),
        pax=tuple(_record(rng, oddness) for _ in range(rng.choice((0, 0, 0, 0, 1, 2)))),
    )


def _path(rng: random.Random, secret: bytes, oddness: float) -> bytes:
    if rng.random() < oddness / 2:
        up = b"../" * rng.randrange(12)
        return rng.choice((secret, secret + b"/file", up + secret.lstrip(b"/"), b"/escaped", up + b"escaped", b"/"))
    parts = [rng.choice(_PARTS if rng.random() < oddness else _USUAL) for _ in range(rng.choice((0, 0, 1, 1, 2, 3)))]
    parts.append(rng.choice(_PARTS if rng.random() < oddness else _LAST))
    if rng.random() < 0.002:
        parts *= rng.choice((50, 600, 3000))
    return (b"/" if rng.random() < 0.03 else b"") + b"/".join(parts)


def _record(rng: random.Random, oddness: float) -> tuple[bytes, bytes]:
    if rng.random() < oddness:
        return rng.choice(_RECORDS), rng.choice(_TEXTS)
    if rng.random() < oddness:
        return b"SCHILY.xattr." + rng.choice(_XATTRS), rng.choice(_VALUES)
    return b"SCHILY.xattr." + rng.choice(_XATTRS[:8]), rng.choice(_VALUES[:3])


def packed(rng: random.Random, data: bytes) -> bytes:
    """Return the archive as it is, or in some compression, or in two pieces of one."""
    kind = rng.choice(("none", "none", "none", "gzip", "zstd", "bzip2", "xz"))
    press = _COMPRESSORS[kind]
    if kind != "none" and rng.random() < 0.2:
        cut = rng.randrange(len(data) + 1)
        return press(data[:cut]) + press(data[cut:])
    return press(data)


_COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": lambda data: gzip.compress(data, 1, mtime=0),
    "zstd": lambda data: zstandard.compress(data, 1),
    "bzip2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
}


def damaged(rng: random.Random, data: bytes) -> bytes:
    """Return the bytes, one time in five with something changed, lost, doubled or put in."""
    if rng.random() > 0.2 or not data:
        return data
    at, length = rng.randrange(len(data)), rng.choice((1, 1, 4, 100, 512))
    piece = data[at : at + length]
    return rng.choice(
        (
            data[:at],
            data[:at] + rng.randbytes(len(piece)) + data[at + length :],
            data[:at] + data[at + length :],
            data[:at] + piece + data[at:],
            data[:at] + b"\0" * length + data[at:],
            data + rng.randbytes(length),
        )
    )


_ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**63, 10**20, 1.5, "", "x", "../../../etc/passwd", "sha256:" + "0" * 64, [], {}, [[]], ["x"],
    [{}], {"x": "y"}, "\u0000", "\ud800", "a" * 5000,
)  # fmt: skip


def image_archive(rng: random.Random) -> bytes:
    """Return an OCI or docker archive of a small image in whose documents something may be odd."""
    content = honest(file=b"x" * rng.randrange(2000)) if rng.random() < 0.7 else layer(rng, b"/escaped")
    diff_id = f"sha256:{hashlib.sha256(content).hexdigest()}"
    config: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["A=b"], "Cmd": ["sh"], "Labels": {"a": "b"}},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created_by": "x"}],
    }
    odd = rng.choice(("config", "manifest", "index", "none"))
    files: dict[str, bytes] = {}
    if rng.random() < 0.5:
        raw = _document(rng, config, odd == "config")
        name = f"{hashlib.sha256(raw).hexdigest()}.json"
        items = [{"Config": name, "RepoTags": ["fuzz:1"], "Layers": ["layer.tar"]}]
        files = {name: raw, "layer.tar": content, "manifest.json": _document(rng, items, odd != "config")}
    else:
        described = [_put(files, _document(rng, config, odd == "config"), "config"), _put(files, content, "layer")]
        manifest = {"schemaVersion": 2, "config": described[0], "layers": [described[1]]}
        listed = _put(files, _document(rng, manifest, odd == "manifest"), "manifest")
        listed["annotations"] = {"org.opencontainers.image.ref.name": "fuzz:1"}
        index = {"schemaVersion": 2, "manifests": [listed]}
        files["index.json"] = _document(rng, index, odd == "index")
        files["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    return archive(*(Member(name.encode(), data=data) for name, data in files.items()))


_TYPES = {
    "config": "application/vnd.oci.image.config.v1+json",
    "layer": "application/vnd.oci.image.layer.v1.tar",
    "manifest": "application/vnd.oci.image.manifest.v1+json",
}


def _put(files: dict[str, bytes], data: bytes, kind: str) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    files[f"blobs/sha256/{digest}"] = data
    return {"mediaType": _TYPES[kind], "digest": f"sha256:{digest}", "size": len(data)}


def _document(rng: random.Random, value: Any, odd: bool) -> bytes:
    """Return JSON, with `odd` one value in it replaced, a key doubled, or padding around it."""
    text = json.dumps(value)
    if not odd:
        return text.encode()
    if rng.random() < 0.1:
        return padded(text.encode()) if rng.random() < 0.5 else text.replace("{", '{"os":"x",', 1).encode()
    copy = json.loads(text)
    place = copy
    while True:
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        if isinstance(place[key], dict | list) and place[key] and rng.random() < 0.7:
            place = place[key]
            continue
        if isinstance(place, dict) and rng.random() < 0.2:
            del place[key]
        else:
            place[key] = rng.choice(_ODD)
        return json.dumps(copy).encode()
