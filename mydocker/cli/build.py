"""The verb `build`."""

from __future__ import annotations

import os
from contextlib import contextmanager

from mydocker.errors import BuildFailed, UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from mydocker.build.request import BuildRequest, BuildResult, Secret
    from mydocker.cli.main import Context


def secret_argument(parser: ArgumentParser) -> None:
    """Declare `--secret`, which `build` and `debug` share."""
    parser.add_argument(
        "--secret", action="append", default=[], metavar="id=ID,src=FILE", help="a secret for RUN --mount=type=secret"
    )


def secrets_given(args: Namespace) -> tuple[Secret, ...]:
    """Return the secrets of a command line; raises `UsageError`."""
    return tuple(_secret(each) for each in args.secret)


def build_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `build`."""
    parser.epilog = (
        "example: mydocker build -f dockerfile -t xx:0.01\n"
        "With --debug, a step that fails at a terminal opens a shell where it failed."
    )
    add = parser.add_argument
    add("context", nargs="?", metavar="CONTEXT", help="directory, git URL or - (default: the current directory)")
    add("-f", "--file", metavar="FILE", help="the Dockerfile (default: Dockerfile or dockerfile in CONTEXT; -: stdin)")
    add("-t", "--tag", action="append", default=[], metavar="NAME[:TAG]", help="name of the image; may be repeated")
    add(
        "--build-arg", action="append", default=[], metavar="NAME[=VALUE]", help="set an ARG (without value: from here)"
    )
    add("--build-context", action="append", default=[], metavar="NAME=DIR|IMAGE", help="one more thing to copy from")
    add("--target", action="append", default=[], metavar="STAGE", help="build this stage (default: the last)")
    add("--label", action="append", default=[], metavar="KEY=VALUE", help="add a label")
    secret_argument(parser)
    add("--ssh", action="append", default=[], metavar="ID[=SOCKET]", help="an agent for RUN --mount=type=ssh")
    add("--platform", default="", metavar="OS/ARCH", help="platform to build for (default: this machine's)")
    add(
        "--network", default="default", choices=("default", "none", "host"), help="network of RUN (default: the host's)"
    )
    add("--allow", action="append", default=[], metavar="RIGHT", help="allow security.insecure or network.host")
    add("--cache-from", action="append", default=[], metavar="PLACE", help="take results from there too: a directory "
        "(type=local,src=DIR) or a registry (type=registry,ref=NAME)")  # fmt: skip
    add("--cache-to", action="append", default=[], metavar="PLACE", help="put the results there for other machines")
    add("--no-cache", action="store_true", help="run every step")
    add("--no-cache-filter", default="", metavar="STAGE,...", help="run every step of these stages")
    add("-j", "--jobs", type=int, default=0, metavar="N", help="steps at the same time (default: number of cores)")
    add("--explain", action="store_true", help="say for each step why it was run or not")
    add("--dry-run", action="store_true", help="say what would be run and why, and run nothing")
    add("--graph", action="append", default=[], metavar="FILE", help="draw the build: FILE.svg, .html, .dot or .json")
    add("--verify-reproducible", action="store_true", help="first build twice, under varied conditions, and compare")
    add("--check", action="store_true", help="check the Dockerfile, and build nothing")
    add("-o", "--output", action="append", default=[], metavar="type=TYPE,dest=PATH", help="write the result as well: "
        "local (a directory), tar, oci or docker (archives)")  # fmt: skip
    add("--pull", action="store_true", help="fetch base images even when they are here")
    add("--progress", choices=("auto", "rich", "plain", "json"), default="auto", help="how to tell what "
        "happens (default: rich on a terminal, else plain)")  # fmt: skip
    add("--metadata-file", metavar="FILE", help="write the image's digests to FILE, as JSON")
    add("--iidfile", metavar="FILE", help="write the image's id to FILE")
    add("-q", "--quiet", action="store_true", help="print nothing but the image's id")


def build(args: Namespace, context: Context) -> int:
    """Build an image."""
    if args.check:
        return _check(args, context)
    request = _request(args)
    try:
        with _told(args, context):
            verified = context.engine.verify_reproducible(request) if args.verify_reproducible else None
            result = verified.result if verified else context.engine.build(request)
    except BuildFailed as error:
        # With --debug somebody at a terminal is taken to where it failed.
        if not (error.kept and getattr(args, "debug", False) and os.isatty(0)):
            raise
        context.out.error(error)
        context.engine.debug(error.kept, secrets=request.secrets)
        return error.exit_status
    if args.explain or args.dry_run:
        for step in result.steps:
            context.out.line(f"[{step.step}] {step.outcome}: {step.text}  ({step.why})")
    if args.dry_run:
        return 0
    for name in verified.hidden if verified else ():
        context.out.note(f"step {name} differs from one build to the other, but nothing of it is in the image")
    if verified:
        context.out.note(f"reproducible: both builds gave {result.image.digest}")
    _write_facts(args, result)
    if args.quiet:
        context.out.line(str(result.image.id))
    else:
        _summary(args, context, result)
    return 0


@contextmanager
def _told(args: Namespace, context: Context) -> Iterator[None]:
    """Let the engine tell its progress in the way that is asked for, or that fits the terminal."""
    stream = context.out.stderr
    kind = args.progress
    if kind == "auto":
        kind = "rich" if stream.isatty() and os.environ.get("TERM", "dumb") != "dumb" else "plain"
    if args.quiet:
        from mydocker.cli.live import Failures

        context.report_to(Failures(stream))
        yield
    elif kind == "rich":
        from mydocker.cli.live import Rich

        with Rich(stream, force=args.progress == "rich") as reporter:
            context.report_to(reporter)
            yield
    else:
        from mydocker.cli.progress import Json, Plain

        context.report_to(Json(stream) if kind == "json" else Plain(stream))
        yield


def _check(args: Namespace, context: Context) -> int:
    """Do what `lint` does with the same file and context."""
    from argparse import Namespace as Words

    from mydocker.build.builder import dockerfile_path
    from mydocker.cli.lint import lint

    path = dockerfile_path(_request(args))
    words = {"file": path, "context": args.context, "format": "text", "fix": False, "skip": [], "experimental": []}
    return lint(Words(**words, fail_on="warning", rules=False), context)


def _write_facts(args: Namespace, result: BuildResult) -> None:
    if args.iidfile:
        with open(args.iidfile, "w") as file:
            file.write(str(result.image.id))
    if args.metadata_file:
        import json

        facts = {
            "containerimage.config.digest": str(result.image.id),
            "containerimage.digest": str(result.image.digest),
            "image.name": ",".join(args.tag),
        }
        with open(args.metadata_file, "w") as file:
            json.dump(facts, file, indent=2)


def _summary(args: Namespace, context: Context, result: BuildResult) -> None:
    hits = sum(step.outcome == "hit" for step in result.steps)
    saved = sum(step.saved for step in result.steps if step.outcome == "hit")
    parts = [f"{result.ran} steps run", f"{hits} found in the cache"]
    if result.skipped:
        parts.append(f"{result.skipped} skipped")
    if saved >= 0.1:
        parts.append(f"{saved:.1f} s saved")
    context.out.note(", ".join(parts))
    names = ", ".join(args.tag) or "without a name"
    context.out.line(f"{result.image.id}  {names}")


def _request(args: Namespace) -> BuildRequest:
    from mydocker.build.request import BuildRequest, Output
    from mydocker.build.sharing.place import CachePlace

    return BuildRequest(
        context=args.context or ".",
        dockerfile=args.file,
        tags=tuple(args.tag),
        targets=tuple(args.target),
        build_args=dict(_build_arg(each) for each in args.build_arg if "=" in each or each in os.environ),
        contexts=dict(_pair(each, "--build-context") for each in args.build_context),
        labels=dict(_pair(each, "--label", optional=True) for each in args.label),
        secrets=secrets_given(args),
        ssh=dict(_agent(each) for each in args.ssh),
        platform=args.platform,
        network=args.network,
        allow=frozenset(args.allow),
        no_cache=args.no_cache,
        no_cache_stages=frozenset(args.no_cache_filter.split(",")) - {""},
        workers=args.jobs,
        epoch=_epoch(),
        outputs=tuple(Output.parse(each) for each in args.output),
        cache_from=tuple(CachePlace.parse(each, "--cache-from") for each in args.cache_from),
        cache_to=tuple(CachePlace.parse(each, "--cache-to") for each in args.cache_to),
        pull=args.pull,
        dry_run=args.dry_run,
        graphs=tuple(args.graph),
    )


def _build_arg(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    return name, value if equals else os.environ[name]


def _pair(text: str, flag: str, *, optional: bool = False) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not (equals or optional):
        raise UsageError(f"{flag} {text}", "expected NAME=VALUE")
    return key, value


def _epoch() -> int | None:
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    if not text.isdecimal():
        raise UsageError(f"SOURCE_DATE_EPOCH={text}", "not a number of seconds since 1970")
    return int(text)


def _secret(text: str) -> Secret:
    from mydocker.build.request import Secret

    fields = dict(_pair(part, "--secret") for part in text.split(","))
    name = fields.pop("id", "")
    kind = fields.pop("type", "env" if "env" in fields else "file")
    source = fields.pop("src", fields.pop("source", fields.pop("env", name)))
    if not name or fields or kind not in ("file", "env"):
        raise UsageError(f"--secret {text}", "expected id=ID with src=FILE or env=NAME")
    if kind == "env":
        if source not in os.environ:
            raise UsageError(f"--secret {text}", f"the variable {source} is not set")
        return Secret(name, os.environ[source].encode())
    try:
        with open(source, "rb") as file:
            return Secret(name, file.read())
    except OSError as error:
        raise UsageError(f"--secret {text}", f"{source}: {error.strerror}") from error


def _agent(text: str) -> tuple[str, str]:
    name, _, socket = text.partition("=")
    socket = socket or os.environ.get("SSH_AUTH_SOCK", "")
    if not socket:
        raise UsageError(f"--ssh {text}", "no agent is running here (SSH_AUTH_SOCK is not set)", "start ssh-agent")
    return name or "default", socket
