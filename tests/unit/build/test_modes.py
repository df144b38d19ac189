"""--chmod: octal and symbolic modes, as chmod(1) understands them."""

from __future__ import annotations

import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mydocker.build.modes import ModeChange
from mydocker.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("755", 0o100644, 0o755),
        ("0640", 0o100777, 0o640),
        ("4711", 0o100644, 0o4711),
        ("u=rwX,go=rX", 0o100644, 0o644),
        ("u=rwX,go=rX", 0o100600, 0o644),
        ("u=rwX,go=rX", 0o100700, 0o755),
        ("u=rwX,go=rX", 0o040700, 0o755),
        ("+x", 0o100644, 0o755),
        ("a-w", 0o100666, 0o444),
        ("g=u", 0o100640, 0o660),
        ("u+s,g+s", 0o100755, 0o6755),
        ("+t", 0o040777, 0o1777),
        ("o=", 0o100777, 0o770),
        ("u+rw-x", 0o100100, 0o600),
    ],
)
def test_modes(text: str, before: int, after: int) -> None:
    assert ModeChange.parse(text).apply(before) == after


@pytest.mark.parametrize("text", ["", "8", "rwx", "u=rq", "u", "77777", "u=rw,", "0x1ff", "u=rwgo"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        ModeChange.parse(text)
    assert "invalid mode" in str(caught.value)


_CLAUSES = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["u", "g", "o", "a", "ug", "go", "ugo"]),
        st.sampled_from("+-="),
        st.text("rwxX", max_size=3),
    ),
)


@settings(deadline=None)
@given(clauses=st.lists(_CLAUSES, min_size=1, max_size=3), before=st.integers(0, 0o777))
def test_chmod_itself_agrees(clauses: list[str], before: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path: Path = tmp_path_factory.mktemp("modes") / "file"
    path.touch()
    path.chmod(before)
    text = ",".join(clauses)
    subprocess.run(["chmod", text, path], check=True)
    assert ModeChange.parse(text).apply(stat.S_IFREG | before) == stat.S_IMODE(path.stat().st_mode)
