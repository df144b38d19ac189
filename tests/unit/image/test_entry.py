"""The one tar form: bytes that are known, and that another reader understands."""

from __future__ import annotations

import hashlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mydocker.image import entry as tar
from mydocker.image.entry import END, Entry, encode, padding
from mydocker.image.tar_reader import TarReader

NAMES = st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name and name.strip(b"/.") != b"")


def test_header_is_posix_ustar() -> None:
    """Byte for byte by hand, from the table in IEEE 1003.1, pax, "ustar Interchange Format"."""
    block = encode(Entry(b"etc/motd", tar.FILE, 0o100644, 5, 6, 7, 8))
    assert len(block) == 512
    assert block[:100] == b"etc/motd".ljust(100, b"\0")
    assert block[100:148] == b"0000644\x000000005\x000000006\x0000000000007\x0000000000010\0"
    assert block[156:157] == b"0"
    assert block[257:265] == b"ustar\x0000"
    assert block[265:329] == bytes(64)
    assert block[329:345] == b"0000000\x000000000\0"
    assert block[148:156] == b"%06o\0 " % (sum(block) - sum(block[148:156]) + 8 * 32)


@pytest.mark.parametrize(("length", "blocks"), [(1, 1), (100, 1), (101, 3), (254, 3)])
def test_long_names_without_a_slash_need_pax(length: int, blocks: int) -> None:
    assert len(encode(Entry(b"n" * length, tar.FILE, 0))) == 512 * blocks


def test_long_names_with_a_slash_use_the_prefix() -> None:
    block = encode(Entry(b"d" * 150 + b"/" + b"f" * 100, tar.FILE, 0))
    assert (len(block), block[345:500].rstrip(b"\0")) == (512, b"d" * 150)


def test_pax_records_are_sorted_and_only_what_is_needed() -> None:
    entry = Entry(
        b"n" * 101, tar.FILE, 0, uid=2**21, gid=2**21, size=2**33, mtime=-1, link=b"",
        xattrs=((b"user.b", b"2"), (b"security.capability", b"\0\n=")),
    )  # fmt: skip
    data = encode(entry)[512:1024].rstrip(b"\0")
    assert record_keys(data) == [
        b"SCHILY.xattr.security.capability", b"SCHILY.xattr.user.b", b"gid", b"mtime", b"path", b"size", b"uid",
    ]  # fmt: skip


def record_keys(data: bytes) -> list[bytes]:
    keys = []
    while data:
        length = int(data.partition(b" ")[0])
        keys.append(data[:length].partition(b" ")[2].partition(b"=")[0])
        data = data[length:]
    return keys


@pytest.mark.parametrize("size", [5, 6, 7, 80, 81, 82, 83, 84, 85, 86, 87, 975, 976, 977, 978, 979, 980, 981, 982, 983])
def test_length_of_a_record_counts_its_own_digits(size: int) -> None:
    data = encode(Entry(b"f", tar.FILE, 0, xattrs=((b"user.x", b"v" * size),)))
    length = int(data[512:].partition(b" ")[0])
    assert data[512 + length - 1 : 512 + length] == b"\n"


def test_names_that_are_no_utf8_say_so() -> None:
    data = encode(Entry(b"\xff" * 101, tar.FILE, 0))
    assert data[512:].startswith(b"21 hdrcharset=BINARY\n")


@given(
    NAMES, st.sampled_from([tar.FILE, tar.SYMLINK, tar.DIRECTORY, tar.FIFO, tar.CHARACTER]), st.integers(0, 0o7777),
    st.integers(0, 2**32 - 2), st.integers(0, 2**32 - 2), st.integers(-(2**40), 2**40), st.binary(max_size=600),
    st.dictionaries(NAMES, st.binary(max_size=300), max_size=3),
)  # fmt: skip
def test_what_is_written_is_read(
    name: bytes, kind: bytes, mode: int, uid: int, gid: int, mtime: int, data: bytes, xattrs: dict[bytes, bytes]
) -> None:
    name = b"/".join(part for part in name.split(b"/") if part not in (b"", b"."))
    size = len(data) if kind == tar.FILE else 0
    link = b"target" * 30 if kind == tar.SYMLINK else b""
    entry = Entry(name, kind, mode, uid, gid, size, mtime, link, xattrs=tuple(sorted(xattrs.items())))
    archive = encode(entry) + (data + padding(size) if size else b"") + END
    reader = TarReader(iter([archive]), strict_end=True)
    found = [(each, b"".join(reader.pieces())) for each in reader]
    assert found == [(entry, data if size else b"")]


@given(st.lists(st.tuples(st.from_regex(r"[a-z]{1,120}(/[a-zé]{1,80}){0,3}", fullmatch=True), st.binary(max_size=2000)),
                max_size=6, unique_by=lambda pair: pair[0]), st.integers(1, 3000))  # fmt: skip
def test_python_s_tarfile_reads_it_in_any_pieces(files: list[tuple[str, bytes]], step: int) -> None:
    archive = (
        b"".join(
            encode(Entry(name.encode(), tar.FILE, 0o644, size=len(data))) + data + padding(len(data))
            for name, data in files
        )
        + END
    )
    with tarfile.open(fileobj=io.BytesIO(archive)) as other:
        assert [(member.name, other.extractfile(member).read()) for member in other] == files  # type: ignore[union-attr]
    pieces = iter([archive[at : at + step] for at in range(0, len(archive), step)])
    reader = TarReader(pieces, strict_end=True)
    assert [(each.name.decode(), b"".join(reader.pieces())) for each in reader] == files


def test_known_answer() -> None:
    """A change of this digest changes every layer that is ever built: it needs a reason and a word in the changelog."""
    entries = [
        Entry(b"", tar.DIRECTORY, 0o1777),
        Entry(b"a", tar.DIRECTORY, 0o755, mtime=1),
        Entry(b"a/" + b"x" * 120, tar.FILE, 0o4755, 1, 2, 0, 2**40, xattrs=((b"user.k", b"v"),)),
        Entry(b"a/link", tar.HARDLINK, 0o644, link=b"a/" + b"x" * 120),
        Entry(b"dev", tar.CHARACTER, 0o666, major=1, minor=3),
        Entry(b"sym", tar.SYMLINK, 0o777, link="é".encode()),
    ]
    whole = b"".join(map(encode, entries)) + END
    assert hashlib.sha256(whole).hexdigest() == "39428c8b27016145f0cf784c3f6abbdf7975f88594f6044647172f94ced2f824"
