"""The tree of errors. Each says what failed, why, and what to do next; this module imports nothing.

    MydockerError               exit status 1
    |-- UsageError              a flag or an argument that cannot be meant (125)
    |-- NotFound                no such image, container, file, network
    |-- NameTaken               the name belongs to something else
    |-- Busy                    in a state that forbids the operation
    |-- PlacedError             what concerns a place in a Dockerfile, and shows it
    |   |-- DockerfileError     a mistake in one
    |   |   `-- DockerfileErrors  all the mistakes that were found in one
    |   `-- BuildFailed         a step of a build failed
    |-- ImageError              an image, manifest, layer or archive that cannot be used
    |   |-- DigestMismatch      bytes that are not what their name says
    |   `-- UnsafeArchive       an entry that would leave its target, or a limit exceeded
    |-- StoreError              the store on disk cannot do what was asked (full, read-only, damaged)
    |-- RegistryError           a registry refused or misbehaved
    |-- NetworkError            a network, an address or a port
    `-- RuntimeFailure          the container could not be set up (125)
        |-- CommandNotExecutable   found, but the kernel will not run it (126)
        `-- CommandNotFound        no such program in the container (127)

Statuses 125, 126 and 127 mean what they mean for docker and podman; a container's own status is passed through.
Messages are in lower case, without a full stop, and name the path or the flag.
"""

from __future__ import annotations


class MydockerError(Exception):
    """Root of the tree: `what` failed, `why`, and a `hint` on what to do next (the last two may be empty)."""

    exit_status = 1

    def __init__(self, what: str, why: str = "", hint: str = "") -> None:
        super().__init__(what, why, hint)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" if self.why else self.what

    def lines(self) -> list[str]:
        """Return the message as the doors print it: one line, and a second one where there is a hint."""
        first = str(self)
        return [first, f"hint: {self.hint}"] if self.hint else [first]


class PlacedError(MydockerError):
    """What concerns a place in a Dockerfile, and shows it.

    `line` and `column` count from 1 (0: unknown); `end_column` is one past the last guilty character; `source` is the
    text of that line. `lines` shows the line with a caret under the very word.
    """

    def __init__(
        self,
        what: str,
        why: str = "",
        hint: str = "",
        *,
        filename: str = "Dockerfile",
        line: int = 0,
        column: int = 0,
        end_column: int = 0,
        source: str = "",
    ) -> None:
        super().__init__(what, why, hint)
        self.filename = filename
        self.line = line
        self.column = column
        self.end_column = end_column
        self.source = source

    def lines(self) -> list[str]:
        """Return the message with `file:line:column`, the source line and a caret where they are known."""
        column = f":{self.column}" if self.column else ""
        shown = [f"{self.filename}:{self.line}{column}: {self}" if self.line else str(self)]
        if self.source:
            shown.append(f"    {self.source}")
            if self.column:
                lead = "".join("\t" if c == "\t" else " " for c in self.source[: self.column - 1])
                shown.append(f"    {lead}{'^' * max(1, self.end_column - self.column)}")
        if self.hint:
            shown.append(f"hint: {self.hint}")
        return shown


class UsageError(MydockerError):
    """A flag or an argument that cannot be meant; exit status 125 as docker's and podman's."""

    exit_status = 125


class NotFound(MydockerError):
    """What was named does not exist."""


class NameTaken(MydockerError):
    """The name belongs to something else already."""


class Busy(MydockerError):
    """The thing is in a state that forbids the operation (running, in use, locked)."""


class BuildFailed(PlacedError):
    """A step of a build failed; the message shows its instruction.

    `kept` is the id under which what the step had written is kept (see `mydocker.build.failures`), "" when it is not.
    """

    kept = ""


class ImageError(MydockerError):
    """An image, manifest, layer or archive that cannot be used."""


class DigestMismatch(ImageError):
    """Bytes that are not what their name says: nothing made of them was kept."""


class UnsafeArchive(ImageError):
    """An archive entry that would leave its target, or an archive beyond a limit: nothing of it was kept."""


class StoreError(MydockerError):
    """The store on disk cannot do what was asked: full, read-only, damaged, of a newer version."""


class RegistryError(MydockerError):
    """A registry refused, could not be reached, or broke the protocol."""


class NetworkError(MydockerError):
    """A network, an address or a port that cannot be had."""


class RuntimeFailure(MydockerError):
    """A container could not be set up; exit status 125."""

    exit_status = 125


class CommandNotExecutable(RuntimeFailure):
    """The program was found but the kernel will not run it; exit status 126."""

    exit_status = 126


class CommandNotFound(RuntimeFailure):
    """There is no such program in the container; exit status 127."""

    exit_status = 127


class DockerfileError(PlacedError):
    """A mistake in a Dockerfile or an ignore file."""


class DockerfileErrors(DockerfileError):
    """All mistakes found in one file, in its order; it reads like the first of them."""

    def __init__(self, mistakes: list[DockerfileError]) -> None:
        first = mistakes[0]
        super().__init__(
            first.what,
            first.why,
            first.hint,
            filename=first.filename,
            line=first.line,
            column=first.column,
            end_column=first.end_column,
            source=first.source,
        )
        self.mistakes = tuple(mistakes)

    def lines(self) -> list[str]:
        """Return every mistake as `DockerfileError.lines` shows it."""
        return [line for mistake in self.mistakes for line in mistake.lines()]
