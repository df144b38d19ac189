"""The nearest of some names, for "did you mean"."""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that looks most like `name`, or None when none is near (one edit in three letters)."""
    best, limit = None, max(1, len(name) // 3) + 1
    for candidate in candidates:
        distance = _distance(name.lower(), candidate.lower(), limit)
        if distance < limit and candidate != name:
            best, limit = candidate, distance
    return best


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return the hint "did you mean X?", or nothing."""
    found = nearest(name, candidates)
    return f"did you mean {found}?" if found else ""


def _distance(left: str, right: str, limit: int) -> int:
    """Count the edits between two words, a swap of neighbours being one; stop at `limit`."""
    if abs(len(left) - len(right)) >= limit:
        return limit
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        new = [i]
        for j, b in enumerate(right, 1):
            cost = min(row[j] + 1, new[j - 1] + 1, row[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, before[j - 2] + 1)
            new.append(cost)
        if min(new) >= limit:
            return limit
        before, row = row, new
    return row[-1]
