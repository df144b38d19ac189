"""The verbs `run`, `create` and `exec`."""

from __future__ import annotations

import os
import sys

from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from typing import Any

    from mydocker.cli.main import Context
    from mydocker.creation import RunRequest
    from mydocker.runtime.record import Container

_REMAINDER = "..."  # argparse.REMAINDER: everything from the first word that is no flag

# (flags, field or "", help): what is given any number of times, once, or is a switch
_REPEATED = (
    (("-e", "--env"), "env", "NAME[=VALUE]", "set a variable"),
    (("--env-file",), "env_files", "FILE", "set the variables in FILE"),
    (("-v", "--volume"), "volumes", "[SRC:]DST[:OPTIONS]", "mount a directory or volume"),
    (("--mount",), "mounts", "type=...,src=...,dst=...", "mount, in long form"),
    (("--tmpfs",), "tmpfs", "DST[:OPTIONS]", "mount an empty file system in memory"),
    (("-l", "--label"), "labels", "KEY=VALUE", "label the container"),
    (("-p", "--publish"), "publish", "[[ADDRESS:]HOST:]CONTAINER[/PROTO]", "forward ports of the host"),
    (("--expose",), "expose", "PORT[/PROTO]", "one more port for -P"),
    (("--ulimit",), "ulimits", "NAME=SOFT[:HARD]", "resource limit of processes"),
    (("--cap-add",), "cap_add", "CAP", "add a capability"),
    (("--cap-drop",), "cap_drop", "CAP", "drop a capability"),
    (("--security-opt",), "security", "OPTION", "no-new-privileges, seccomp=FILE|unconfined, systempaths=unconfined"),
    (("--device",), "devices", "PATH[:DST[:rwm]]", "give a device of the host"),
    (("--sysctl",), "sysctls", "KEY=VALUE", "kernel parameter of the container's namespaces"),
    (("--net", "--network"), "networks", "none|host|container:NAME|NETWORK", "network (default: none)"),
    (("--network-alias",), "aliases", "NAME", "one more name on the network"),
    (("--add-host",), "hosts", "NAME:ADDRESS", "a line for /etc/hosts"),
    (("--dns",), "dns", "ADDRESS", "name server"),
    (("--dns-search",), "dns_search", "DOMAIN", "domain to look names up in; . for none"),
    (("--dns-option",), "dns_options", "OPTION", "option for resolv.conf"),
    (("--group-add",), "groups", "GROUP", "one more group for the user"),
    (("--log-opt",), "log_options", "KEY=VALUE", "max-size, max-file: rotate the log"),
    (("--annotation",), "annotations", "KEY=VALUE", "annotation of the runtime-spec document"),
    (("--hooks-dir",), "hooks", "DIR", "folder with descriptions of hooks (oci-hooks), as for podman"),
    (("--uidmap",), "uid_maps", "INSIDE:OUTSIDE[:COUNT]", "users of the container are those of the host"),
    (("--gidmap",), "gid_maps", "INSIDE:OUTSIDE[:COUNT]", "the same for groups"),
)
_ONCE = (
    (("--name",), "name", "NAME", "name of the container"),
    (("-w", "--workdir"), "workdir", "DIR", "working directory"),
    (("-u", "--user"), "user", "USER[:GROUP]", "who the command runs as"),
    (("--hostname",), "hostname", "NAME", "host name (default: the short id)"),
    (("--domainname",), "domainname", "NAME", "NIS domain name"),
    (("--ip",), "address", "ADDRESS", "IPv4 address on the network"),
    (("--ip6",), "address6", "ADDRESS", "IPv6 address on the network"),
    (("--mac-address",), "mac", "ADDRESS", "hardware address on the network"),
    (("--resolv",), "resolv", "FILE", "the container's resolv.conf (default: the host's)"),
    (("--restart",), "restart", "POLICY", "no, on-failure[:N], always, unless-stopped"),
    (("--stop-signal",), "stop_signal", "SIGNAL", "what `stop` sends (default: the image's, else TERM)"),
    (("--shm-size",), "shm_size", "SIZE", "size of /dev/shm (default 64m)"),
    (
        ("--userns",),
        "userns",
        "host|remap|auto|container:NAME",
        "whose users the container's are (default: the host's)",
    ),
    (("--cgroup-parent",), "cgroup_parent", "GROUP", "control group above the container's"),
)
_SWITCHES = (
    (("-t", "--tty"), "tty", "give the command a terminal"),
    (("-i", "--interactive"), "interactive", "pass standard input"),
    (("-P", "--publish-all"), "publish_all", "forward free ports of the host to all that the image exposes"),
    (("--rm",), "remove", "remove the container when it ends"),
    (("--privileged",), "privileged", "no restrictions: all capabilities and devices"),
    (("--read-only",), "read_only", "read-only root file system"),
    (("--init",), "init", "run a small process 1 that passes signals on and collects orphans"),
)
_NAMESPACES = ("pid", "ipc", "uts", "cgroupns")
_LIMITS = (
    (("-m", "--memory"), "memory", str, "SIZE", "memory limit, as in 100m"),
    (("--memory-swap",), "memory_swap", str, "SIZE", "memory and swap together; -1: unlimited swap"),
    (("--memory-reservation",), "memory_reservation", str, "SIZE", "soft limit"),
    (("--cpushare", "--cpu-shares"), "cpu_shares", int, "N", "weight among those who want processor time (1024)"),
    (("--cpus",), "cpus", float, "N", "processors, as in 1.5"),
    (("--cpuset", "--cpuset-cpus"), "cpuset_cpus", str, "LIST", "processors that may be used, as in 0-2,4"),
    (("--cpuset-mems",), "cpuset_mems", str, "LIST", "memory nodes that may be used"),
    (("--pids-limit",), "pids", int, "N", "most processes"),
    (("--blkio-weight",), "blkio_weight", int, "N", "weight among those who use disks, 10 to 1000"),
)
_HEALTH = (
    ("--health-cmd", "command", str, "how to see whether the container is well"),
    ("--health-interval", "interval", str, "time between checks"),
    ("--health-timeout", "timeout", str, "how long a check may take"),
    ("--health-start-period", "start_period", str, "time to get started in"),
    ("--health-start-interval", "start_interval", str, "time between checks meanwhile"),
    ("--health-retries", "retries", int, "failures in a row that make it unhealthy"),
)


def create_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `create`, which are those of `run` but -d."""
    parser.epilog = "example: mydocker create --name web base top"
    _container_arguments(parser)


def run_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `run`."""
    parser.epilog = "examples:\n  mydocker run -ti base sh\n  mydocker run -d -image base -name web -m 100m top"
    parser.add_argument("-d", "--detach", action="store_true", help="run in the background, print the id")
    parser.add_argument("--detach-keys", default="", metavar="KEYS", help="keys that detach (ctrl-p,ctrl-q)")
    parser.add_argument("--sig-proxy", default="true", choices=("true", "false"), help="pass signals on (true)")
    _container_arguments(parser)


def _container_arguments(parser: ArgumentParser) -> None:
    for flags, field, text in _SWITCHES:
        parser.add_argument(*flags, dest=field, action="store_true", help=text)
    for flags, field, metavar, text in _ONCE:
        parser.add_argument(*flags, dest=field, default="", metavar=metavar, help=text)
    for flags, field, metavar, text in _REPEATED:
        parser.add_argument(*flags, dest=field, action="append", default=[], metavar=metavar, help=text)
    for flags, field, kind, metavar, text in _LIMITS:
        parser.add_argument(*flags, dest=f"limit_{field}", type=kind, metavar=metavar, help=text)
    for flag, field, kind, text in _HEALTH:
        parser.add_argument(flag, dest=f"health_{field}", type=kind, metavar=field.upper(), help=text)
    parser.add_argument("--no-healthcheck", action="store_true", help="no health check, whatever the image says")
    parser.add_argument("--oom-kill-disable", action="store_true", help="do not kill when memory runs out (cgroup v1)")
    for name in _NAMESPACES:
        parser.add_argument(f"--{name}", default="", metavar="host|private", help=f"{name} namespace")
    parser.add_argument("--entrypoint", metavar="PROGRAM", help="replace the image's ENTRYPOINT")
    parser.add_argument("--stop-timeout", type=float, metavar="SECONDS", help="how long `stop` waits (10)")
    parser.add_argument("--oom-score-adj", type=int, metavar="N", help="-1000 to 1000: the higher, the sooner killed")
    parser.add_argument("--cidfile", metavar="FILE", help="write the container's id to FILE")
    parser.add_argument("--image", metavar="IMAGE", help="the image, instead of as first word")
    parser.add_argument("--command", metavar="COMMAND", help="the command as one text, for the image's shell")
    parser.add_argument("words", nargs=_REMAINDER, metavar="[IMAGE] [COMMAND...]", help="what to run, and in what")


def _request(args: Namespace) -> RunRequest:
    from mydocker.creation import HealthRequest, LimitRequest, RunRequest

    words = args.words[1:] if args.words[:1] == ["--"] else list(args.words)
    image = args.image or (words.pop(0) if words else "")
    if not image:
        raise UsageError("run", "which image?", "mydocker run IMAGE [COMMAND...], or -image IMAGE")
    if args.command:
        words = ["/bin/sh", "-c", args.command, *words]
    fields = {field: getattr(args, field) for _, field, _ in _SWITCHES}
    fields |= {field: getattr(args, field) for _, field, _, _ in _ONCE}
    fields |= {field: tuple(getattr(args, field)) for _, field, _, _ in _REPEATED}
    limits = {field: getattr(args, f"limit_{field}") for _, field, _, _, _ in _LIMITS}
    health = {field: getattr(args, f"health_{field}") for _, field, _, _ in _HEALTH}
    return RunRequest(
        image=image,
        command=tuple(words),
        entrypoint=args.entrypoint,
        stop_timeout=args.stop_timeout,
        oom_score=args.oom_score_adj,
        limits=LimitRequest(**_given(limits), oom_kill_disable=args.oom_kill_disable),
        health=HealthRequest(**_given(health), none=args.no_healthcheck),
        namespaces=tuple((name, getattr(args, name)) for name in _NAMESPACES if getattr(args, name)),
        **_given(fields),
    )


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was not said, for the defaults of the request."""
    return {field: value for field, value in fields.items() if value not in (None, "")}


def create(args: Namespace, context: Context) -> int:
    """Make a container and print its id."""
    made = context.engine.create(_request(args))
    _write_id(args.cidfile, made)
    context.out.line(made.id)
    return 0


def run(args: Namespace, context: Context) -> int:
    """Make a container and start it; in the foreground, return its exit status."""
    _check(args)
    containers = context.engine.containers
    made = context.engine.create(_request(args))
    try:
        _write_id(args.cidfile, made)
        if args.detach:
            containers.start(made.id)
            context.out.line(made.id)
            return 0
        stdin = 0 if args.interactive else None
        if not args.tty:
            return containers.run_attached(made.id, stdin=stdin, pass_signals=args.sig_proxy == "true")
        status = containers.run_interactive(made.id, stdin=stdin, detach_keys=args.detach_keys)
        return 0 if status is None else status
    finally:
        # A container that was never started keeps `--rm`'s promise as well.
        if args.remove:
            containers.discard_unstarted(made.id)


def _check(args: Namespace) -> None:
    if args.detach and args.remove and args.restart not in ("", "no"):
        raise UsageError("run", "--rm and --restart contradict each other")
    if args.tty and args.interactive and not args.detach and not os.isatty(0):
        raise UsageError("run -ti", "the input is not a terminal", "without -t, -i passes bytes exactly")
    if args.cidfile and os.path.exists(args.cidfile):
        raise UsageError(f"--cidfile {args.cidfile}", "the file exists already", "another container may own it")


def _write_id(path: str | None, made: Container) -> None:
    if path:
        with open(path, "x") as file:
            file.write(made.id)


def exec_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `exec`."""
    parser.epilog = "example: mydocker exec -ti web sh"
    parser.add_argument("-t", "--tty", action="store_true", help="give the command a terminal")
    parser.add_argument("-i", "--interactive", action="store_true", help="pass standard input")
    parser.add_argument("-d", "--detach", action="store_true", help="do not wait for the command")
    parser.add_argument("-e", "--env", action="append", default=[], metavar="NAME[=VALUE]", help="set a variable")
    parser.add_argument("-u", "--user", default="", metavar="USER[:GROUP]", help="who the command runs as")
    parser.add_argument("-w", "--workdir", default="", metavar="DIR", help="working directory")
    parser.add_argument("--privileged", action="store_true", help="with all capabilities")
    parser.add_argument("container", metavar="CONTAINER", help="name or id")
    parser.add_argument("words", nargs=_REMAINDER, metavar="COMMAND...", help="the command")


def exec_(args: Namespace, context: Context) -> int:
    """Run a further command in a running container; return its exit status."""
    from mydocker.creation import words
    from mydocker.runtime.joining import ExecOptions

    argv = tuple(args.words[1:] if args.words[:1] == ["--"] else args.words)
    if not argv:
        raise UsageError("exec", "which command?", "mydocker exec CONTAINER COMMAND...")
    if args.workdir and not args.workdir.startswith("/"):
        raise UsageError(f"-w {args.workdir}", "the working directory is an absolute path")
    env = words.environment((), (), tuple(args.env), dict(os.environ))
    tty = args.tty and not args.detach
    options = ExecOptions(
        argv, (*env, *(("TERM=xterm",) if tty else ())), args.workdir, args.user, tty, args.privileged
    )
    sys.stdout.flush()
    if args.detach:
        context.engine.containers.exec_detached(args.container, options)
        return 0
    return context.engine.containers.exec(args.container, options, stdin=0 if args.interactive else None)
