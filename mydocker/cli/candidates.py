"""What may stand at the end of an unfinished command line, read from the commands' own parsers.

The shell and the scripts of `mydocker completion` both ask here, so a new flag completes everywhere by being declared.
What kind of thing a flag or an argument takes is told by its metavar: `CONTAINER`, `IMAGE`, `FILE` (see `names`).
"""

from __future__ import annotations

import argparse

from mydocker.cli import VERBS, find_verb, names
from mydocker.cli.main import GLOBAL_FLAGS, parser_for
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from mydocker.cli.main import Context

_REST = argparse.REMAINDER
_MANY = ("*", "+", _REST)


class Candidate(NamedTuple):
    """One way to go on: the whole word as it would stand, and what it means ("" where that is plain)."""

    text: str
    purpose: str = ""


class Answer(NamedTuple):
    """The candidates for a word, and whether paths of the host may stand there too."""

    candidates: tuple[Candidate, ...]
    paths: bool = False


class Place(NamedTuple):
    """Where the unfinished word stands: what declares it, and the finished words of the same command by `dest`."""

    verb: str
    action: argparse.Action
    given: dict[str, list[str]]


def complete(words: Sequence[str], context: Context) -> Answer:
    """Return what the last of `words` (those behind `mydocker`, the last perhaps empty) could become."""
    start = _skip_global(words)
    last = words[-1]
    if start >= len(words) - 1:
        if last.startswith("-"):
            return _starting(last, GLOBAL_FLAGS.items())
        if start and words[start - 1] == "--root":
            return Answer((), paths=True)
        return _starting(last, ((verb.name, verb.purpose) for verb in VERBS if not verb.hidden))
    verb = find_verb(words[start])
    if verb is None:
        return Answer(())
    parser: argparse.ArgumentParser = parser_for(verb)
    return _Walk(verb.name, parser).answer(words[start + 1 :], context)


def _skip_global(words: Sequence[str]) -> int:
    """Return the position of the command among the words, or of the last word where there is none yet."""
    at = 0
    while at < len(words) - 1 and words[at].startswith("-"):
        at += 2 if words[at] == "--root" else 1
    return min(at, len(words) - 1) if at < len(words) else len(words) - 1


def _starting(prefix: str, pairs: Iterable[tuple[str, str]]) -> Answer:
    return Answer(tuple(Candidate(text, purpose) for text, purpose in pairs if text.startswith(prefix)))


class _Walk:
    """Goes over the finished words as argparse would, to know what the next one is."""

    def __init__(self, verb: str, parser: argparse.ArgumentParser) -> None:
        self._verb = verb
        self._enter(parser)
        self._given: dict[str, list[str]] = {}
        self._pending: argparse.Action | None = None
        self._only_words = False

    def _enter(self, parser: argparse.ArgumentParser) -> None:
        self._flags: dict[str, argparse.Action] = parser._option_string_actions
        self._shown = [action for action in parser._actions if action.option_strings]
        self._places = [action for action in parser._actions if not action.option_strings]

    def answer(self, words: Sequence[str], context: Context) -> Answer:
        """Return what the last of `words` could become."""
        for word in words[:-1]:
            self._take(word)
        last = words[-1]
        if self._pending is not None:
            return self._values(self._pending, last, context)
        if last.startswith("-") and not self._only_words:
            flag, equals, value = last.partition("=")
            if equals and (action := self._flags.get(flag)):
                found = self._values(action, value, context)
                return Answer(tuple(Candidate(f"{flag}={text}", why) for text, why in found.candidates))
            return self._flag_names(last)
        return self._values(self._places[0], last, context) if self._places else Answer(())

    def _take(self, word: str) -> None:
        if self._pending is not None:
            self._give(self._pending, word)
            self._pending = None
        elif word.startswith("-") and len(word) > 1 and not self._only_words:
            self._take_flag(word)
        elif self._places:
            place = self._places[0]
            self._give(place, word)
            if isinstance(place, argparse._SubParsersAction) and word in place.choices:
                self._enter(place.choices[word])
            elif place.nargs == _REST:
                self._only_words = True
            elif place.nargs not in _MANY:
                self._places = self._places[1:]

    def _take_flag(self, word: str) -> None:
        if word == "--":
            self._only_words = True
            return
        # A bundle of short flags, as in -ti: only its last letter can take a value.
        action = self._flags.get(word.partition("=")[0]) or self._flags.get(f"-{word[-1]}")
        if action is None:
            return
        if action.nargs == 0 or "=" in word:
            self._give(action, word.partition("=")[2])
        else:
            self._pending = action

    def _give(self, action: argparse.Action, word: str) -> None:
        self._given.setdefault(action.dest, []).append(word)

    def _flag_names(self, prefix: str) -> Answer:
        """Return the flags that are not used up; `-name` finds `--name`, and stays as it is written."""
        found = []
        for action in self._shown:
            if action.help == argparse.SUPPRESS:
                continue
            long = [option for option in action.option_strings if option.startswith("--")] or action.option_strings
            one_dash = [option[1:] for option in long] if len(prefix) > 1 else []
            spelled = [option for option in (*long, *one_dash) if option.startswith(prefix)]
            if spelled:
                found.append(Candidate(spelled[0], (action.help or "").replace("%%", "%")))
        return Answer(tuple(found))

    def _values(self, action: argparse.Action, prefix: str, context: Context) -> Answer:
        if isinstance(action, argparse._SubParsersAction):
            purposes = {each.dest: each.help or "" for each in action._choices_actions}
            return _starting(prefix, ((name, purposes.get(name, "")) for name in action.choices))
        if action.choices is not None:
            return _starting(prefix, ((str(choice), "") for choice in action.choices))
        found, paths = names.of(Place(self._verb, action, self._given), prefix, context)
        return Answer(tuple(Candidate(text, why) for text, why in found if text.startswith(prefix)), paths)
