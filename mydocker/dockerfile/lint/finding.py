"""What lint has to say, as values."""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.dockerfile.source import Span

ERROR, WARNING, INFO = "error", "warning", "info"
LEVELS = (ERROR, WARNING, INFO)


class Edit(NamedTuple):
    """Replace the characters from offset `start` up to `end` by `text`."""

    start: int
    end: int
    text: str


class Fix(NamedTuple):
    """Edits that remove a finding without changing what the image does; `title` says what they do."""

    title: str
    edits: tuple[Edit, ...]


class Finding(NamedTuple):
    """A rule that the file breaks, and where. `fix` is None where a person has to decide."""

    rule: str
    level: str
    message: str
    span: Span
    fix: Fix | None
