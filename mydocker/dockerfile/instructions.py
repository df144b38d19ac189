"""The instructions, each with the fields that the Dockerfile reference names.

All of them begin alike: `keyword` as the file spells it, `span`, and `original`, the joined logical line. Texts still
hold their quotes, escapes and variables until `expansion.expand` has taken them out; commands (`Shell`, `Exec`) are
never expanded by us.
"""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.dockerfile.source import Span
    from mydocker.dockerfile.syntax import Heredoc


class Shell(NamedTuple):
    """A command in shell form: one text for the shell in force."""

    text: str


class Exec(NamedTuple):
    """A command in exec form: the arguments as they are."""

    argv: tuple[str, ...]


CommandLine = Shell | Exec


class Pair(NamedTuple):
    """`key=value`, or `key value` when `old`."""

    key: str
    value: str
    old: bool


class Argument(NamedTuple):
    """One name of an ARG with its default value (None: no default), and what the comment before says about it."""

    name: str
    default: str | None
    comment: str


class Mount(NamedTuple):
    """One `RUN --mount`, expanded. Empty texts and None mean that an option was not given.

    `size` is in bytes (0: no limit); `mode`, `uid` and `gid` are those of a cache, a secret or an agent's socket.
    """

    type: str
    target: str = ""
    source: str = ""
    from_: str = ""
    read_only: bool = False
    id: str = ""
    sharing: str = ""
    required: bool = False
    size: int = 0
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    env: str = ""


class Device(NamedTuple):
    """One `RUN --device`: a CDI device's name, and whether the step fails without it."""

    name: str
    required: bool


class Content(NamedTuple):
    """A here-document as a source of COPY or ADD: a file `name` with that `data`, expanded unless it was quoted."""

    name: str
    data: str
    expand: bool


class From(NamedTuple):
    """`FROM [--platform=platform] image [AS name]`; `name` is in lower case, as stages are compared."""

    keyword: str
    span: Span
    original: str
    image: str
    name: str
    platform: str
    comment: str


class Arg(NamedTuple):
    """`ARG name[=default] ...`."""

    keyword: str
    span: Span
    original: str
    arguments: tuple[Argument, ...]


class Env(NamedTuple):
    """`ENV key=value ...`; all values see the variables as they were before the line."""

    keyword: str
    span: Span
    original: str
    pairs: tuple[Pair, ...]


class Label(NamedTuple):
    """`LABEL key=value ...`."""

    keyword: str
    span: Span
    original: str
    pairs: tuple[Pair, ...]


class Run(NamedTuple):
    """`RUN [flags] command`. `mounts` is filled by `expand` from `mount_flags`, the values as written."""

    keyword: str
    span: Span
    original: str
    command: CommandLine
    heredocs: tuple[Heredoc, ...]
    mount_flags: tuple[str, ...]
    mounts: tuple[Mount, ...]
    network: str
    security: str
    devices: tuple[Device, ...]


class Copy(NamedTuple):
    """`COPY [flags] source ... destination`; the here-documents among the sources are in `contents`."""

    keyword: str
    span: Span
    original: str
    sources: tuple[str, ...]
    contents: tuple[Content, ...]
    destination: str
    from_: str
    chown: str
    chmod: str
    link: bool
    parents: bool
    exclude: tuple[str, ...]


class Add(NamedTuple):
    """`ADD [flags] source ... destination`. `unpack` and `keep_git_dir` are None where the flag was not given."""

    keyword: str
    span: Span
    original: str
    sources: tuple[str, ...]
    contents: tuple[Content, ...]
    destination: str
    chown: str
    chmod: str
    link: bool
    checksum: str
    keep_git_dir: bool | None
    unpack: bool | None
    exclude: tuple[str, ...]


class Workdir(NamedTuple):
    """`WORKDIR path`."""

    keyword: str
    span: Span
    original: str
    path: str


class User(NamedTuple):
    """`USER user[:group]`."""

    keyword: str
    span: Span
    original: str
    user: str


class Volume(NamedTuple):
    """`VOLUME path ...`."""

    keyword: str
    span: Span
    original: str
    paths: tuple[str, ...]


class Expose(NamedTuple):
    """`EXPOSE port[-port][/protocol] ...`."""

    keyword: str
    span: Span
    original: str
    ports: tuple[str, ...]


class Cmd(NamedTuple):
    """`CMD command`."""

    keyword: str
    span: Span
    original: str
    command: CommandLine


class Entrypoint(NamedTuple):
    """`ENTRYPOINT command`."""

    keyword: str
    span: Span
    original: str
    command: CommandLine


class Healthcheck(NamedTuple):
    """`HEALTHCHECK [flags] CMD command`; `command` is None for `HEALTHCHECK NONE`.

    Times are in nanoseconds, 0 where they were not given.
    """

    keyword: str
    span: Span
    original: str
    command: CommandLine | None
    interval: int
    timeout: int
    start_period: int
    start_interval: int
    retries: int

    @property
    def test(self) -> tuple[str, ...]:
        """The test as an image's config has it: NONE, CMD with arguments, or CMD-SHELL with a text."""
        match self.command:
            case None:
                return ("NONE",)
            case Exec(argv):
                return ("CMD", *argv)
            case Shell(text):
                return ("CMD-SHELL", text)


class ShellForm(NamedTuple):
    """`SHELL ["executable", "parameter"]`: the shell of later shell forms."""

    keyword: str
    span: Span
    original: str
    argv: tuple[str, ...]


class StopSignal(NamedTuple):
    """`STOPSIGNAL signal`."""

    keyword: str
    span: Span
    original: str
    signal: str


class OnBuild(NamedTuple):
    """`ONBUILD instruction`: `expression` is the trigger as an image's config has it, here-documents included.

    `trigger` is what it would be today; None when it is no valid instruction, which is a mistake only once it fires.
    """

    keyword: str
    span: Span
    original: str
    expression: str
    trigger: Instruction | None


class Maintainer(NamedTuple):
    """`MAINTAINER name` (deprecated)."""

    keyword: str
    span: Span
    original: str
    name: str


Instruction = (
    From
    | Arg
    | Env
    | Label
    | Run
    | Copy
    | Add
    | Workdir
    | User
    | Volume
    | Expose
    | Cmd
    | Entrypoint
    | Healthcheck
    | ShellForm
    | StopSignal
    | OnBuild
    | Maintainer
)

NAMES = (
    "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD",
    "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
)  # fmt: skip
