"""The verbs `run` and `exec`: a terminal or streams, in the foreground or not."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from mydocker.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context
    from mydocker.engine.creating import RunRequest


def run_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.usage = "mydocker run [FLAGS] [-image IMAGE | IMAGE] [COMMAND [ARGUMENT...]]"
    parser.epilog = "examples:\n  mydocker run -ti -image base sh\n  mydocker run -d -name web -image site:1.0"
    add = parser.add_argument
    add("--image", metavar="IMAGE", help="name, name:version or the beginning of an id; else the first argument")
    add("-d", "--detach", action="store_true", help="run in the background and print the container's id")
    add("-i", "--interactive", action="store_true", help="keep standard input open")
    add("-t", "--tty", action="store_true", help="give the container a terminal; when it closes, the container ends")
    add("--name", default="", help="name of the container (default: the beginning of its id)")
    add("--rm", action="store_true", help="remove the container when it ends")
    add("-e", "--env", action="append", default=[], metavar="NAME[=VALUE]", help="set a variable (without value: ours)")
    add("--env-file", action="append", default=[], metavar="FILE", help="read variables, one NAME=VALUE a line")
    add("-v", "--volume", action="append", default=[], metavar="HOST:CONTAINER[:ro]", help="mount a host directory")
    add("-m", "--memory", metavar="SIZE", help="limit of memory, e.g. 100m")
    add("--cpushare", "--cpu-shares", dest="cpu_shares", type=int, default=0, metavar="N", help="weight (default 1024)")
    add("--cpuset", "--cpuset-cpus", dest="cpuset", default="", metavar="LIST", help="processors, e.g. 0,2-3")
    add("-w", "--workdir", default="", metavar="DIR", help="working directory")
    add("-u", "--user", default="", metavar="USER[:GROUP]", help="who the command runs as")
    add("--entrypoint", metavar="COMMAND", help="replace the image's entry point")
    add("--hostname", default="", metavar="NAME", help="host name (default: the beginning of the id)")
    add("-l", "--label", action="append", default=[], metavar="KEY=VALUE", help="add a label")
    add("--read-only", action="store_true", help="make the root file system read-only")
    add("--net", "--network", dest="network", default="none", metavar="NET", help="none (default), host, container:ID")
    add("--resolv", default="", metavar="FILE", help="name resolution file (default: the host's)")
    add("rest", nargs=argparse.REMAINDER, metavar="COMMAND", help=argparse.SUPPRESS)


def run(args: Namespace, context: Context) -> int:
    """Start a new container."""
    if args.detach and args.rm and args.tty and args.interactive and not sys.stdin.isatty():
        raise UsageError("run", "-d does not go with -ti here", "leave -ti out")
    containers = context.engine.containers
    container = context.engine.create(_request(args, context))
    if args.detach:
        try:
            containers.start(container.id)
        except BaseException:
            _drop(context, container.id, args.rm)
            raise
        context.out.line(container.id)
        return 0
    stdin = 0 if args.interactive else None
    if args.tty or args.interactive:
        status = containers.run_interactive(container.id, stdin=stdin)
        return 0 if status is None else status
    return containers.run_attached(container.id)


def _drop(context: Context, identifier: str, automatic: bool) -> None:
    if automatic:
        return
    context.engine.containers.remove(identifier, force=True)


def _request(args: Namespace, context: Context) -> RunRequest:
    from mydocker.engine.creating import RunRequest, size, words

    rest = list(args.rest)
    image = args.image or (rest.pop(0) if rest else None)
    if image is None:
        raise UsageError("run", "which image?", "name it: mydocker run IMAGE, or -image IMAGE")
    if args.tty and not sys.stdin.isatty() and args.interactive and not args.detach:
        raise UsageError("run", "standard input is no terminal, so -t cannot be had", "leave -t out")
    return RunRequest(
        image=image,
        command=tuple(rest),
        name=args.name,
        entrypoint=None if args.entrypoint is None else words(args.entrypoint),
        env=tuple([*_from_files(args.env_file), *_variables(args.env)]),
        volumes=tuple(args.volume),
        workdir=args.workdir,
        user=args.user,
        hostname=args.hostname,
        tty=args.tty,
        interactive=args.interactive,
        auto_remove=args.rm,
        read_only=args.read_only,
        network=_network(args.network, context),
        resolv=args.resolv,
        labels=tuple(each.partition("=")[::2] for each in args.label),
        memory=size(args.memory) if args.memory else 0,
        cpu_shares=args.cpu_shares,
        cpuset=args.cpuset,
    )


def _network(text: str, context: Context) -> str:
    """Return the runtime's word for a network: its own, or the network namespace of another container."""
    if text in ("none", "host"):
        return text
    if text.startswith("container:"):
        other = context.engine.containers.find(text.partition(":")[2])
        if not other.is_running:
            raise UsageError(f"-net {text}", f"container {other.name} is not running")
        return f"/proc/{other.state.pid}/ns/net"
    raise UsageError(f"-net {text}", "there is no network of that name", "known are none, host and container:ID")


def _variables(given: list[str]) -> list[str]:
    """Return `NAME=VALUE` words; a name alone takes the value that it has here, or is left out."""
    return [
        each if "=" in each else f"{each}={os.environ[each]}" for each in given if "=" in each or each in os.environ
    ]


def _from_files(paths: list[str]) -> list[str]:
    found = []
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as file:
                lines = [line.strip() for line in file]
        except OSError as error:
            raise UsageError(f"--env-file {path}", error.strerror or str(error)) from error
        found += _variables([line for line in lines if line and not line.startswith("#")])
    return found


def exec_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `exec`."""
    parser.usage = "mydocker exec [FLAGS] CONTAINER COMMAND [ARGUMENT...]"
    parser.epilog = "example: mydocker exec -ti web sh"
    add = parser.add_argument
    add("-i", "--interactive", action="store_true", help="keep standard input open")
    add("-t", "--tty", action="store_true", help="give the command a terminal")
    add("-e", "--env", action="append", default=[], metavar="NAME=VALUE", help="set a variable")
    add("-w", "--workdir", default="", metavar="DIR", help="working directory (default: the container's)")
    add("-u", "--user", default="", metavar="USER[:GROUP]", help="who the command runs as (default: the container's)")
    add("--privileged", action="store_true", help="give the command all capabilities")
    add("container", metavar="CONTAINER")
    add("command", nargs=argparse.REMAINDER, metavar="COMMAND")


def exec_(args: Namespace, context: Context) -> int:
    """Run a command in a running container. Without -t and -i a terminal is used when there is one, as in the seed."""
    if not args.command:
        raise UsageError("exec", "which command?", "name it: mydocker exec CONTAINER COMMAND")
    from mydocker.runtime.joining import ExecOptions

    on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if args.tty and not sys.stdin.isatty():
        raise UsageError("exec", "standard input is no terminal, so -t cannot be had", "leave -t out")
    options = ExecOptions(
        argv=tuple(args.command),
        env=tuple(_variables(args.env)),
        cwd=args.workdir,
        user=args.user,
        tty=args.tty or on_terminal,
        privileged=args.privileged,
    )
    stdin = 0 if args.interactive or options.tty else None
    return context.engine.containers.exec(args.container, options, stdin=stdin)
