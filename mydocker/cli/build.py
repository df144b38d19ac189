"""The verb `build`."""

from __future__ import annotations

import os
from contextlib import contextmanager

from mydocker.cli.build_request import request_of, secret_argument
from mydocker.errors import BuildFailed, MydockerError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterator

    from mydocker.build.request import BuildResult
    from mydocker.cli.main import Context


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
    _caching_arguments(parser)
    _telling_arguments(parser)


def _caching_arguments(parser: ArgumentParser) -> None:
    """Declare what decides which steps run, and how many at a time."""
    add = parser.add_argument
    add("--cache-from", action="append", default=[], metavar="PLACE", help="take results from there too: a directory "
        "(type=local,src=DIR) or a registry (type=registry,ref=NAME)")  # fmt: skip
    add("--cache-to", action="append", default=[], metavar="PLACE", help="put the results there for other machines")
    add("--no-cache", action="store_true", help="run every step")
    add("--no-cache-filter", default="", metavar="STAGE,...", help="run every step of these stages")
    add("-j", "--jobs", type=int, default=0, metavar="N", help="steps at the same time (default: number of cores)")
    add("--pull", action="store_true", help="fetch base images even when they are here")


def _telling_arguments(parser: ArgumentParser) -> None:
    """Declare what is told of a build, and what it leaves besides its image."""
    add = parser.add_argument
    add("--explain", action="store_true", help="say for each step why it was run or not")
    add("--dry-run", action="store_true", help="say what would be run and why, and run nothing")
    add("--graph", action="append", default=[], metavar="FILE", help="draw the build: FILE.svg, .html, .dot or .json")
    add("--verify-reproducible", action="store_true", help="first build twice, under varied conditions, and compare")
    add("--check", action="store_true", help="check the Dockerfile, and build nothing")
    add("-o", "--output", action="append", default=[], metavar="type=TYPE,dest=PATH", help="write the result as well: "
        "local (a directory), tar, oci or docker (archives)")  # fmt: skip
    add("--progress", choices=("auto", "rich", "plain", "json"), default="auto", help="how to tell what "
        "happens (default: rich on a terminal, else plain)")  # fmt: skip
    add("--metadata-file", metavar="FILE", help="write the image's digests to FILE, as JSON")
    add("--iidfile", metavar="FILE", help="write the image's id to FILE")
    add("-q", "--quiet", action="store_true", help="print nothing but the image's id")


def build(args: Namespace, context: Context) -> int:
    """Build an image."""
    if args.check:
        return _check(args, context)
    request = request_of(args)
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

    path = dockerfile_path(request_of(args))
    words = {"file": path, "context": args.context, "format": "text", "fix": False, "skip": [], "experimental": []}
    return lint(Words(**words, fail_on="warning", rules=False), context)


def _write_facts(args: Namespace, result: BuildResult) -> None:
    if args.iidfile:
        _write(args.iidfile, str(result.image.id))
    if args.metadata_file:
        import json

        image = result.image
        facts = {
            "containerimage.config.digest": str(image.id),
            "containerimage.descriptor": {
                "mediaType": image.manifest_type, "digest": str(image.digest), "size": image.manifest_size
            },
            "containerimage.digest": str(image.digest),
            "image.name": ",".join(args.tag),
        }  # fmt: skip
        _write(args.metadata_file, json.dumps(facts, indent=2) + "\n")


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w") as file:
            file.write(text)
    except OSError as error:
        raise MydockerError(f"cannot write {path}", error.strerror or str(error)) from error


def _summary(args: Namespace, context: Context, result: BuildResult) -> None:
    hits = sum(step.outcome == "hit" for step in result.steps)
    saved = sum(step.saved for step in result.steps if step.outcome == "hit")
    parts = [f"{result.ran} steps run", f"{hits} found in the cache"]
    if result.skipped:
        parts.append(f"{result.skipped} skipped")
    if saved >= 0.1:
        parts.append(f"{saved:.1f} s saved")
    context.out.note(", ".join(parts))
    for target, image in zip(args.target, result.images[:-1], strict=False):
        context.out.line(f"{image.id}  without a name (target {target})")
    names = ", ".join(args.tag) or "without a name"
    context.out.line(f"{result.image.id}  {names}")
