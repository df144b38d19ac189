"""The words of `build` as a request: every flag is checked here, before anything is read or run."""

from __future__ import annotations

import os
import stat

from mydocker.build.request import BuildRequest, Output, Secret
from mydocker.build.sharing.place import CachePlace
from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_RIGHTS = ("security.insecure", "network.host")


def secret_argument(parser: ArgumentParser) -> None:
    """Declare `--secret`, which `build` and `debug` share."""
    parser.add_argument(
        "--secret", action="append", default=[], metavar="id=ID,src=FILE", help="a secret for RUN --mount=type=secret"
    )


def secrets_given(args: Namespace) -> tuple[Secret, ...]:
    """Return the secrets of a command line; raises `UsageError`."""
    return tuple(_secret(each) for each in args.secret)


def request_of(args: Namespace) -> BuildRequest:
    """Return what a command line asks for; raises `UsageError` naming the flag that cannot be meant."""
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
        platform=_platform(args.platform),
        network=args.network,
        allow=frozenset(_right(each) for each in args.allow),
        no_cache=args.no_cache,
        no_cache_stages=frozenset(args.no_cache_filter.split(",")) - {""},
        workers=_jobs(args.jobs),
        epoch=_epoch(),
        outputs=tuple(Output.parse(each) for each in args.output),
        cache_from=tuple(CachePlace.parse(each, "--cache-from") for each in args.cache_from),
        cache_to=tuple(CachePlace.parse(each, "--cache-to") for each in args.cache_to),
        pull=args.pull,
        dry_run=args.dry_run,
        graphs=tuple(args.graph),
    )


def _right(text: str) -> str:
    if text not in _RIGHTS:
        raise UsageError(f"--allow {text}", f"the rights are {' and '.join(_RIGHTS)}")
    return text


def _jobs(count: int) -> int:
    if count < 0:
        raise UsageError(f"--jobs {count}", "steps at the same time are one or more; 0 takes the number of cores")
    return count


def _platform(text: str) -> str:
    from mydocker.image import platforms

    return str(platforms.parse(text)) if text else ""


def _build_arg(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name:
        raise UsageError(f"--build-arg {text}", "expected NAME=VALUE, or NAME to take it from the environment")
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
    try:
        is_socket = stat.S_ISSOCK(os.stat(socket).st_mode)
    except OSError as error:
        raise UsageError(f"--ssh {text}", f"{socket}: {error.strerror}") from error
    if not is_socket:
        raise UsageError(f"--ssh {text}", f"{socket} is no agent's socket", "load the key into ssh-agent: ssh-add FILE")
    return name or "default", socket
