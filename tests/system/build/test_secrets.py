"""37 of the list of regressions: a secret is in nothing that a build leaves or says."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from tests.system.build.attacks import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.system.conftest import CommandLine

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]

_SECRET = "p@ss w/rd+100%&more of it"
_SHOWING = (
    "cat /k; echo; base64 < /k; od -An -tx1 /k; od -An -tx1 /k | tr -d ' \\n'; echo; "
    "sed 's/@/%40/;s/ /%20/g;s,/,%2F,;s/+/%2B/;s/%&/%25%26/' /k; echo; cat /k >&2"
)


def disguises(value: bytes) -> set[bytes]:
    quoted = {quote(value, safe=""), quote_plus(value), quote(value, safe="").replace("%2F", "%2f")}
    return {
        value,
        base64.b64encode(value)[:-4],
        value.hex().encode(),
        value.hex(" ").encode(),
        *map(str.encode, quoted),
    }


def everything(mydocker: CommandLine) -> Iterator[tuple[str, bytes]]:
    """Yield every file of the store and of the working directory, layers unpacked."""
    import zstandard

    for folder in (mydocker.root, mydocker.directory):
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.name != "key":
                data = path.read_bytes()
                yield str(path), data
                if data.startswith(b"\x28\xb5\x2f\xfd"):
                    yield f"{path} (unpacked)", zstandard.ZstdDecompressor().decompressobj().decompress(data)


@pytest.mark.parametrize("status", [0, 1])
@pytest.mark.parametrize("progress", ["plain", "json", "rich", "quiet"])
def test_37_a_secret_is_nowhere_but_in_its_steps_memory(mydocker: CommandLine, progress: str, status: int) -> None:
    (mydocker.directory / "key").write_text(_SECRET)
    (mydocker.directory / ".dockerignore").write_text("key")
    graphs = [word for form in ("svg", "html", "dot", "json") for word in ("--graph", f"g.{form}")]
    done = build(
        mydocker,
        "FROM base\nLABEL a=b\nRUN --mount=type=secret,id=key,target=/k --mount=type=secret,id=key,env=TOKEN "
        f'{_SHOWING}; echo "$TOKEN"; exit {status}\nRUN true\n',
        "--secret", "id=key,src=key", "--explain", "--metadata-file", "meta", "--iidfile", "id", *graphs,
        *(["-q"] if progress == "quiet" else ["--progress", progress]),
        status=status,
    )  # fmt: skip
    said = (done.stdout + done.stderr).encode()
    if progress in ("plain", "json"):
        assert said.count(b"[secret]") >= 6
    mydocker.run("build", "--secret", "id=key,src=key", "--dry-run", "--explain")
    places = [("what was said", said), *everything(mydocker)]
    for form in disguises(_SECRET.encode()):
        assert not [name for name, data in places if form in data], form


def test_37_leaks_are_found_in_files_names_and_links(mydocker: CommandLine) -> None:
    (mydocker.directory / "long").write_text(base64.b64encode(bytes(range(200))).decode())
    (mydocker.directory / "short").write_text("topsecretvalue")
    given = ("--secret", "id=long,src=long", "--secret", "id=short,src=short")
    mounts = "--mount=type=secret,id=long,target=/l --mount=type=secret,id=short,target=/s"
    for leak in (
        "base64 < /l > /leak", "od -An -tx1 /l > /leak", "mkdir /d; cp /l /d/e", "echo > /x; cat /s >> /x",
        'mkdir "/is-$(cat /s)"', 'ln -s "$(cat /l)" /leak', 'ln -s "$(base64 < /s)" /leak', "cp /s /dev/shm",
    ):  # fmt: skip
        (mydocker.directory / "Dockerfile").write_text(f"FROM base\nRUN {mounts} {leak}\n")
        done = mydocker.run("build", "-t", "app:1", *given)
        if "/dev/shm" in leak:
            assert done.returncode == 0, "what is in memory is not in the image"
            mydocker("rmi", "app:1")
        else:
            assert "would be in the image" in done.stderr, leak
    assert "app" not in mydocker("images")
    assert mydocker.leftovers() == []
