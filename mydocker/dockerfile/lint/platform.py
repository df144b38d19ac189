"""The one rule that needs a build: InvalidBaseImagePlatform."""

from __future__ import annotations

import re

from mydocker.dockerfile.lint.finding import Finding
from mydocker.dockerfile.lint.rules import RULES
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.dockerfile.source import Source
    from mydocker.dockerfile.stages import Stage


def base_image_platform(source: Source, stage: Stage, expected: str, actual: str) -> Finding | None:
    """Return the finding about a base image that was found for another platform than was asked for.

    `expected` and `actual` are platforms like "linux/arm64/v8"; None when system and architecture are the same.
    """
    if expected.split("/")[:2] == actual.split("/")[:2]:
        return None
    rule = RULES["InvalidBaseImagePlatform"]
    word = re.compile(rf"(?<=\s){re.escape(stage.image)}(?!\S)").search(source.text, stage.span.start, stage.span.end)
    start = word.start() if word else stage.span.start
    message = f"base image '{stage.image}' is for {actual}, and {expected} was asked for"
    return Finding(rule.name, rule.level, message, source.span(start, start + len(stage.image)), None)
