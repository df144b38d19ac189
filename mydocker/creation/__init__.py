"""From an image and the words of `run` to a container: what the engine's `create` is made of.

Knows images (their configs) and containers (their options), which do not know each other.
"""

from __future__ import annotations

from mydocker.creation.request import HealthRequest, LimitRequest, RunRequest

__all__ = ["HealthRequest", "LimitRequest", "RunRequest"]
