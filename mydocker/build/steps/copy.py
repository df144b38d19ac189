"""COPY and ADD as keys: what is taken, where it goes, and how (Dockerfile reference, "COPY" and "ADD")."""

from __future__ import annotations

import posixpath

from mydocker.build import remote
from mydocker.build.contents import Wanted, content_of
from mydocker.build.keys import digest_of
from mydocker.build.selection import Rules
from mydocker.dockerfile import globs, ignore
from mydocker.dockerfile import instructions as ins
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.build.executor import Workshop
    from mydocker.build.plan import Step
    from mydocker.image.layers import Filling

Files = ins.Copy | ins.Add


class CopyHandler:
    """Knows what counts for COPY and ADD, and has them carried out."""

    def sees_parent(self, step: Step) -> bool:
        """With --link the copy is a layer of its own, whatever it is put upon."""
        return not instruction(step).link

    def key_parts(self, step: Step, shop: Workshop) -> dict[str, str]:
        """The destination, the flags, and the content of everything that is taken."""
        one = instruction(step)
        parts = {
            "destination": destination_of(step),
            "flags": digest_of([one.chown, one.chmod, str(one.link), *one.exclude]),
        }
        for content in one.contents:
            parts[f"here-document {content.name}"] = digest_of([content.data])
        local = tuple(source for source in one.sources if not remote.is_remote(one, source))
        if local:
            parts["content"] = _content(step, shop, local)
        for source in one.sources:
            if remote.is_remote(one, source):
                parts[f"download {source}"] = remote.identity(one, source, shop)
        return parts

    def run(self, step: Step, shop: Workshop, below: tuple[str, ...], place: str) -> Filling | None:
        """Copy in the order of the sources: a later one replaces what an earlier one put to the same name."""
        from mydocker.build.steps.copying import copy

        return copy(step, shop, below, place)


def instruction(step: Step) -> Files:
    """Return the instruction of a COPY or ADD step."""
    assert isinstance(step.instruction, Files)
    return step.instruction


def source_of(one: Files) -> str:
    """Return the name of the tree that is copied from, "" for the build context."""
    return one.from_ if isinstance(one, ins.Copy) else ""


def destination_of(step: Step) -> str:
    """Return the destination, absolute; a trailing slash (or a plain `.`) stays one, as it means a directory."""
    text = instruction(step).destination
    whole = posixpath.normpath(posixpath.join(step.workdir, text))
    whole = "/" + whole.lstrip("/")
    into = text in ("", ".") or text.endswith(("/", "/."))
    return whole.rstrip("/") + "/" if into else whole


def rules_of(one: Files) -> Rules:
    """Return the rules that the flags of an instruction make."""
    excluded = ignore.Matcher(one.exclude)
    return Rules(
        matches=globs.match,
        excludes=excluded.excluded if one.exclude else _nothing,
        includes=lambda pattern, path: ignore.Matcher([pattern]).excluded(path),
        keep_parents=isinstance(one, ins.Copy) and one.parents,
    )


def _nothing(path: str) -> bool:
    return False


def _content(step: Step, shop: Workshop, sources: tuple[str, ...]) -> str:
    one = instruction(step)
    tree = shop.trees.open(step.sources[source_of(one)])
    parents = "parents" if isinstance(one, ins.Copy) and one.parents else ""
    wanted = Wanted(step.id, step.slot, sources, rules_of(one), (parents, *one.exclude))
    return content_of(tree, wanted, shop.trees)
