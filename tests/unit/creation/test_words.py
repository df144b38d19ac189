"""The words of the command line, as values; each mistake names its flag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mydocker.creation import words
from mydocker.errors import UsageError
from mydocker.runtime.record import LogLimit, Restart

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0), ("-1", -1), ("4096", 4096), ("1b", 1), ("1k", 1024), ("1K", 1024), ("100m", 100 << 20),
        ("1.5g", 3 << 29), ("64KiB", 64 << 10), ("64kb", 64 << 10), ("1t", 1 << 40),
    ],
)  # fmt: skip
def test_sizes(text: str, value: int) -> None:
    assert words.size(text, "-m") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("", 0), ("2", 2), ("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("1.5h", 5400), ("250us", 0.00025), ("3m", 180)],
)
def test_durations(text: str, value: float) -> None:
    assert words.seconds(text, "--health-interval") == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1700000000", 1700000000 * 10**9), ("1700000000.5", 1700000000500000000), ("0", 0),
        ("2023-11-14T22:13:20Z", 1700000000 * 10**9), ("2023-11-14T22:13:20.123456789Z", 1700000000123456789),
        ("2023-11-14T23:13:20.1+01:00", 1700000000100000000), ("2023-11-14T22:13:20", 1700000000 * 10**9),
        ("10m", 10**18 - 600 * 10**9), ("1.5s", 10**18 - 1500000000),
    ],
)  # fmt: skip
def test_moments_are_exact_to_the_nanosecond(text: str, value: int) -> None:
    assert words.moment(text, "--since", 10**18) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("", Restart()), ("no", Restart("no")), ("always", Restart("always")),
     ("unless-stopped", Restart("unless-stopped")),
     ("on-failure", Restart("on-failure")), ("on-failure:3", Restart("on-failure", 3))],
)  # fmt: skip
def test_restart_policies(text: str, value: Restart) -> None:
    assert words.restart(text) == value


def test_pairs_limits_and_log_options() -> None:
    assert words.pairs(("a=1", "b", "a=2=3"), "--label") == (("a", "2=3"), ("b", ""))
    assert words.limits(("nofile=1:2", "core=-1")) == (("RLIMIT_NOFILE", 1, 2), ("RLIMIT_CORE", -1, -1))
    assert words.log_limit(("max-size=1k", "max-file=3")) == LogLimit(1024, 3)


def test_the_environment_of_image_files_and_flags_later_ones_win(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text('# words\n\n  A=file\nHOST\nMISSING\nQUOTED="kept"\n')
    host = {"HOST": "here", "OTHER": "x"}
    found = words.environment(("A=image", "B=image", "C=image"), (str(file),), ("B=flag", "C", "OTHER"), host)
    assert found == ("A=file", "B=flag", "HOST=here", 'QUOTED="kept"', "OTHER=x")


def test_devices_are_those_of_the_host() -> None:
    (device,) = words.devices(("/dev/null:/dev/mine:r",))
    assert (device.path, device.kind, device.major, device.minor, device.access) == ("/dev/mine", "c", 1, 3, "r")
    (device,) = words.devices(("/dev/null:rw",))
    assert (device.path, device.access) == ("/dev/null", "rw")


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((lambda text: words.size(text, "-m"), text) for text in ("x", "1x", "1.2.3", "-5", "1e999")),
        *((lambda text: words.memory(text, "-m"), text) for text in ("1k", "511k")),
        *((lambda text: words.seconds(text, "-t"), text) for text in ("x", "5d", "1m-3s", "s")),
        *((lambda text: words.limits((text,)), text) for text in ("nofile", "nofile=x", "nofile=2:1", "=1")),
        *((lambda text: words.moment(text, "--since", 0), text) for text in ("x", "2023-13-01", "1.x", "-")),
        *((words.restart, text) for text in ("sometimes", "always:3", "on-failure:x", "on-failure:-1")),
        *((lambda text: words.log_limit((text,)), text) for text in ("max-size=x", "max-file=x", "driver=y")),
        *((lambda text: words.pairs((text,), "--label"), text) for text in ("", "=x")),
        *((lambda text: words.devices((text,)), text) for text in ("/nowhere", "/etc/passwd", "/dev/null:/x:rwx")),
        *((lambda text: words.environment((), (), (text,), {}), text) for text in ("=x", "A\0=x")),
        (lambda text: words.environment((), (text,), (), {}), "/nowhere"),
    ],
)
def test_mistakes_are_told(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(UsageError):
        parse(text)
