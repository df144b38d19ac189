"""The names that complete a word, by the metavar of what it is for: containers, images, networks, paths in containers.

A table says for each metavar where its names come from; one that is not in it takes free text. What cannot be had (no
store yet, another user's store, a container that went away) completes to nothing: nobody asked for an error by TAB.
"""

from __future__ import annotations

import os

from mydocker.errors import MydockerError, NotFound
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mydocker.cli.candidates import Place
    from mydocker.cli.main import Context

Pairs = list[tuple[str, str]]

_RUNNING = frozenset({"exec", "attach", "stop", "kill", "pause", "top", "stats"})
_ENDED = frozenset({"start"})
_PROGRAM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def of(place: Place, prefix: str, context: Context) -> tuple[Pairs, bool]:
    """Return names (with what they are) for the word that begins with `prefix`, and whether host paths fit as well."""
    metavar = str(place.action.metavar or "")
    source = SOURCES.get(metavar)
    found: Pairs = []
    if source is not None and (os.path.isdir(context.store) or source in _NEED_NO_STORE):
        try:
            found = list(source(place, prefix, context))
        except (MydockerError, OSError):
            found = []
    given = place.given.get(place.action.dest, [])
    return [pair for pair in found if pair[0] not in given], metavar in PATHS and not _is_in_container(metavar, prefix)


def _is_in_container(metavar: str, prefix: str) -> bool:
    return metavar.startswith("[CONTAINER:]") and ":" in prefix and not prefix.startswith((".", "/"))


def _containers(place: Place, prefix: str, context: Context) -> Pairs:
    listed = context.engine.containers.list()
    if place.verb in _RUNNING | _ENDED:
        listed = [each for each in listed if each.is_running == (place.verb in _RUNNING)]
    found = [(each.name, f"{each.state.status}, {each.image}") for each in listed if each.name]
    if prefix:
        found += [(each.short_id, f"{each.name}, {each.state.status}") for each in listed]
    return found


def _images(place: Place, prefix: str, context: Context) -> Pairs:
    found: Pairs = []
    for image in context.engine.images.images():
        for reference in image.references:
            tagged = reference.familiar
            found.append((tagged.removesuffix(":latest"), image.id.short))
            if prefix.startswith(tagged.removesuffix(":latest")) and tagged.endswith(":latest"):
                found.append((tagged, image.id.short))
        if prefix or not image.references:
            found.append((image.id.short, image.title))
    return found


def _containers_and_images(place: Place, prefix: str, context: Context) -> Pairs:
    return [*_containers(place, prefix, context), *_images(place, prefix, context)]


def _image_then_command(place: Place, prefix: str, context: Context) -> Pairs:
    """Complete the words of `run`: the first is the image, unless a flag gave it."""
    if place.given.get("image") or place.given.get(place.action.dest):
        return []
    return _images(place, prefix, context)


def _command(place: Place, prefix: str, context: Context) -> Pairs:
    """Complete the words of `exec`: a program of the container, then its paths."""
    container = place.given["container"][-1]
    if "/" in prefix:
        return _paths_in(container, prefix, context)
    if place.given.get(place.action.dest):
        return []
    found: dict[str, str] = {}
    for folder in _PROGRAM_FOLDERS:
        for path, _ in _paths_in(container, f"{folder}/{prefix}", context):
            if not path.endswith("/"):
                found.setdefault(path.rpartition("/")[2], path)
    return list(found.items())


def _copied(place: Place, prefix: str, context: Context) -> Pairs:
    """Complete a side of `cp`: CONTAINER: or a path in one; paths of the host are completed beside it."""
    container, colon, path = prefix.partition(":")
    if not colon:
        return [(f"{name}:", what) for name, what in _containers(place, prefix, context)]
    return [(f"{container}:{found}", what) for found, what in _paths_in(container, path or "/", context)]


def _paths_in(container: str, prefix: str, context: Context) -> Pairs:
    """Return the paths in a container that begin with `prefix`; those of directories end in a slash."""
    from mydocker.creation.copying import list_directory

    folder, _, beginning = prefix.rpartition("/")
    try:
        names = list_directory(context.engine.containers, container, folder or "/")
    except NotFound:
        return []
    return [
        (f"{folder}/{name}{'/' if is_directory else ''}", "")
        for name, is_directory in names
        if name.startswith(beginning) and (beginning or not name.startswith("."))
    ]


def _run_network(place: Place, prefix: str, context: Context) -> Pairs:
    words = [("none", "no network"), ("host", "the host's network")]
    words += [(f"container:{name}", what) for name, what in _containers(place, "", context)]
    return [*words, *_networks(place, prefix, context)]


def _networks(place: Place, prefix: str, context: Context) -> Pairs:
    return [(each.definition.name, each.definition.driver) for each in context.engine.networks.list()]


def _volumes(place: Place, prefix: str, context: Context) -> Pairs:
    return [(each.name, each.path) for each in context.engine.volumes.list() if not each.anonymous or prefix]


def _mounted(place: Place, prefix: str, context: Context) -> Pairs:
    return [(f"{name}:", what) for name, what in _volumes(place, prefix, context)]


def _signals(place: Place, prefix: str, context: Context) -> Pairs:
    import signal

    return [
        (each.name.removeprefix("SIG"), str(int(each)))
        for each in signal.valid_signals()
        if isinstance(each, signal.Signals)
    ]


def _rules(place: Place, prefix: str, context: Context) -> Pairs:
    from mydocker.dockerfile.lint.rules import RULES

    return [(rule.name, rule.summary) for rule in RULES.values()]


def _capabilities(place: Place, prefix: str, context: Context) -> Pairs:
    from mydocker.linux.capabilities import NAMES

    return [("ALL", ""), *((name.removeprefix("CAP_"), "") for name in NAMES)]


def _policies(place: Place, prefix: str, context: Context) -> Pairs:
    return [("no", ""), ("on-failure", "[:N] times"), ("always", ""), ("unless-stopped", "")]


def _topics(place: Place, prefix: str, context: Context) -> Pairs:
    from mydocker.cli import VERBS
    from mydocker.cli.help import topics

    return [*((verb.name, verb.purpose) for verb in VERBS if not verb.hidden), *topics()]


SOURCES: dict[str, Callable[[Place, str, Context], Iterable[tuple[str, str]]]] = {
    "CONTAINER": _containers,
    "IMAGE": _images,
    "NAME[:TAG]": _images,
    "CONTAINER|IMAGE": _containers_and_images,
    "OLD": _containers_and_images,
    "NEW": _containers_and_images,
    "[IMAGE] [COMMAND...]": _image_then_command,
    "COMMAND...": _command,
    "[CONTAINER:]SOURCE": _copied,
    "[CONTAINER:]TARGET": _copied,
    "none|host|container:NAME|NETWORK": _run_network,
    "NETWORK": _networks,
    "VOLUME": _volumes,
    "[SRC:]DST[:OPTIONS]": _mounted,
    "SIGNAL": _signals,
    "RULE": _rules,
    "CAP": _capabilities,
    "POLICY": _policies,
    "COMMAND|TOPIC": _topics,
}
_NEED_NO_STORE = frozenset({_signals, _rules, _capabilities, _policies, _topics, _run_network})
PATHS = frozenset({
    "FILE", "DIR", "CONTEXT", "[CONTAINER:]SOURCE", "[CONTAINER:]TARGET", "[SRC:]DST[:OPTIONS]",
    "PATH[:DST[:rwm]]", "SCRIPT",
})  # fmt: skip
