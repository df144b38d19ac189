"""The pictures of the documents show what the commands of today draw."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from tasks import pictures

if TYPE_CHECKING:
    from pathlib import Path

# How long a step took, and what a hit saved, differ from run to run.
_TIMES = re.compile(r"(, )?\d+\.\d s( saved)?")


@pytest.mark.root
def test_the_pictures_are_current(tmp_path: Path) -> None:
    """`doit pictures` draws them anew."""
    pictures.draw(tmp_path)
    drawn, kept = ((place / "build.svg").read_text() for place in (tmp_path, pictures.PICTURES))
    assert _TIMES.sub("", drawn) == _TIMES.sub("", kept)
    assert _words(tmp_path / "terminal.svg") == _words(pictures.PICTURES / "terminal.svg")


def test_the_pictures_are_svg_with_every_command() -> None:
    for name in ("build.svg", "terminal.svg"):
        assert ElementTree.parse(pictures.PICTURES / name).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    text = " ".join(_words(pictures.PICTURES / "terminal.svg"))
    for command in pictures.COMMANDS:
        assert " ".join(_plain(command)) in text


def _words(picture: Path) -> list[str]:
    """Return the words of a picture but ids, numbers and times."""
    return _plain(unescape(re.sub(r"<style>.*?</style>|<[^>]+>", " ", picture.read_text(), flags=re.DOTALL)))


def _plain(text: str) -> list[str]:
    words = text.replace("\xa0", " ").split()
    return [word for word in words if not re.search(r"\d", word) or word.startswith("web")]
