"""Where a shared build cache is: what `--cache-from` and `--cache-to` say."""

from __future__ import annotations

import os

from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from mydocker.build.sharing.directory import Directory
    from mydocker.build.sharing.remote import Remote
    from mydocker.image.store import ImageStore


class CachePlace(NamedTuple):
    """A directory (`local`) or a repository of a registry (`registry`), and its path or its reference."""

    type: str
    where: str

    @classmethod
    def parse(cls, text: str, option: str) -> Self:
        """Return what a word of `option` means: `type=local,src=DIR` (or dest=), `type=registry,ref=NAME`, DIR or NAME.

        A word alone is a directory when it begins with `/` or `.`, or when there is one of that name.
        """
        if "=" not in text:
            is_path = text.startswith(("/", ".")) or os.path.isdir(text)
            if not is_path and "/" not in text:
                hint = f"write ./{text} for a directory, type=registry,ref={text} for a registry"
                raise UsageError(f"{option} {text}", "it may be a directory or a reference", hint)
            return cls("local" if is_path else "registry", text)
        fields = dict(part.partition("=")[::2] for part in text.split(","))
        fields.pop("mode", None)  # BuildKit's: all steps are shared here, which is its mode=max
        kind = fields.pop("type", "")
        names = {"local": ("src", "dest"), "registry": ("ref",)}.get(kind, ())
        found = [fields.pop(name) for name in names if name in fields]
        if len(found) != 1 or not found[0] or fields:
            raise UsageError(f"{option} {text}", "expected type=local,src=DIR (or dest=DIR) or type=registry,ref=NAME")
        return cls(kind, found[0])

    def open(self, store: ImageStore, environ: Mapping[str, str]) -> Directory | Remote:
        """Return what is at this place; `environ` says where credentials for registries are."""
        if self.type == "local":
            from mydocker.build.sharing.directory import Directory

            return Directory(os.path.abspath(self.where))
        from mydocker.build.sharing.remote import Remote

        return Remote(self.where, store, environ)
