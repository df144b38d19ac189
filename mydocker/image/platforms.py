"""Platforms: which of several images fits a machine (OCI image-spec, image-index.md, "platform")."""

from __future__ import annotations

import os

from mydocker.errors import ImageError, UsageError
from mydocker.image.manifest import Platform
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.image.manifest import Descriptor, Index

# uname -m -> GOARCH and variant, as image configs write them.
_MACHINES = {
    "x86_64": ("amd64", ""),
    "aarch64": ("arm64", "v8"),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "i386": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
    "loongarch64": ("loong64", ""),
}
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "i386": "386"}


def host() -> Platform:
    """Return the platform of this machine."""
    machine = os.uname().machine
    return Platform("linux", *_MACHINES.get(machine, (machine, "")))


def parse(text: str) -> Platform:
    """Return the platform that `os/architecture[/variant]` or `architecture` means; raise `UsageError`."""
    parts = text.lower().split("/")
    if len(parts) > 3 or not all(parts):
        raise UsageError(f"--platform {text}", "expected os/architecture or os/architecture/variant")
    if len(parts) == 1:
        parts.insert(0, "linux")
    return Platform(parts[0], _ALIASES.get(parts[1], parts[1]), parts[2] if len(parts) == 3 else "")


def choose(index: Index, wanted: Platform) -> Descriptor:
    """Return the manifest of an index that fits `wanted` best; raise `ImageError` listing what there is."""
    fitting = [each for each in index.manifests if each.platform and _fits(each.platform, wanted)]
    fitting.sort(key=lambda each: each.platform is not None and each.platform.variant != wanted.variant)
    if fitting:
        return fitting[0]
    if len(index.manifests) == 1 and index.manifests[0].platform is None:
        return index.manifests[0]
    there = ", ".join(sorted({str(each.platform) for each in index.manifests if each.platform}))
    raise ImageError(f"choose an image for {wanted}", f"there are only {there or 'none'}", "choose one with --platform")


def _fits(platform: Platform, wanted: Platform) -> bool:
    """Tell whether an image runs there: the variant has to be the same where both name one; arm64 is always v8."""
    if (platform.os, platform.architecture) != (wanted.os, wanted.architecture):
        return False
    default = "v8" if wanted.architecture == "arm64" else ""
    return (platform.variant or default) == (wanted.variant or default) or not (platform.variant and wanted.variant)
