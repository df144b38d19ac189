"""What a container can do to its own resolver: none of it may reach the loop that keeps the container."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import dnslib
import pytest

from mydocker.errors import StoreError
from mydocker.network.resolver import Resolver

if TYPE_CHECKING:
    from pathlib import Path

    from mydocker.network.names import Peer

QUESTION = bytes(dnslib.DNSRecord.question("far.example").pack())


class Refusing:
    """A socket of which each call fails, with a question that has come."""

    def __init__(self, number: int) -> None:
        self._number = number

    def recvfrom(self, size: int) -> tuple[bytes, object]:
        return QUESTION[:size], ("127.0.0.1", 5353)

    def sendto(self, answer: bytes, asker: object) -> None:
        raise OSError(self._number, "refused")

    def _accept(self) -> tuple[int, object]:
        raise OSError(self._number, "refused")


class Damaged:
    """A book that cannot be read."""

    container = "c"

    def __init__(self, error: Exception) -> None:
        self._error = error

    def peers(self) -> tuple[Peer, ...]:
        raise self._error


def resolver(number: int, error: Exception, bundle: Path) -> Resolver:
    ends = (Refusing(number), Refusing(number))
    return Resolver(ends, str(bundle), Damaged(error))  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EACCES, errno.EHOSTUNREACH, errno.EMSGSIZE, errno.EPERM])
def test_an_answer_that_cannot_be_sent_is_lost(number: int, tmp_path: Path) -> None:
    assert resolver(number, StoreError("damaged"), tmp_path)._asked()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ECONNABORTED, errno.EAGAIN])
def test_a_connection_that_cannot_be_taken_is_left(number: int, tmp_path: Path) -> None:
    assert resolver(number, StoreError("damaged"), tmp_path)._accepted()


@pytest.mark.parametrize("error", [StoreError("damaged"), OSError(errno.EMFILE, "files"), KeyError("x"), ValueError()])
@pytest.mark.parametrize("question", [QUESTION, QUESTION[:1], b""])
def test_a_damaged_file_fails_the_question_only(error: Exception, question: bytes, tmp_path: Path) -> None:
    answer, servers = resolver(0, error, tmp_path).answer(question)
    assert servers == ()
    assert answer == b"" if len(question) < 12 else dnslib.DNSRecord.parse(answer).header.rcode == 2
