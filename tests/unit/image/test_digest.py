from __future__ import annotations

import hashlib

import pytest

from mydocker.errors import ImageError
from mydocker.image.digest import ChainID, DiffID, Digest, chain_ids

HEX = "ab" * 32


def test_digest_is_its_text() -> None:
    digest = Digest.parse(f"sha256:{HEX}")
    assert (digest, digest.hex, digest.short) == (f"sha256:{HEX}", HEX, "abababababab")


def test_digest_of_bytes() -> None:
    # sha256sum </dev/null
    assert Digest.of(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert Digest.of_hash(hashlib.sha256(b"x")) == Digest.of(b"x")


@pytest.mark.parametrize(
    "text",
    ["", HEX, "sha256:../../../etc/passwd", f"sha256:{HEX[:-1]}", f"sha256:{HEX}0", f"sha256:{HEX.upper()}",
     f"sha512:{HEX}{HEX}", f"sha256:{HEX[:-1]}\n", f"sha256:{HEX[:-1]}/", f"SHA256:{HEX}", None, 5,
     f" sha256:{HEX[1:]}"],
)  # fmt: skip
def test_55_what_is_no_digest_never_becomes_part_of_a_path(text: object) -> None:
    with pytest.raises(ImageError):
        Digest.parse(text)


def test_chain_ids_follow_the_specification() -> None:
    first, second, third = (DiffID.of(data) for data in (b"1", b"2", b"3"))
    two = "sha256:" + hashlib.sha256(f"{first} {second}".encode()).hexdigest()
    three = "sha256:" + hashlib.sha256(f"{two} {third}".encode()).hexdigest()
    assert chain_ids((first, second, third)) == (ChainID(first), two, three)
    assert chain_ids(()) == ()
