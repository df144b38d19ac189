"""Verbs that look again and again: top, stats. On a terminal the last picture is drawn over, elsewhere they go on."""

from __future__ import annotations

import os
import time

from mydocker.errors import UsageError
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from mydocker.cli.main import Context
    from mydocker.cli.output import Output
    from mydocker.runtime.record import Container
    from mydocker.runtime.usage import Process, Usage

_PROCESSES = ("PID", "PPID", "UID", "CPU", "TIME", "COMMAND")
_USAGE = ("ID", "NAME", "CPU", "MEMORY", "LIMIT", "READ", "WRITTEN", "PIDS")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Picture:
    """A table that is drawn anew: over the last one on a terminal, below it elsewhere."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._drawn = 0

    def draw(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Draw the table; on a terminal no more of it than there is room for."""
        lines = self._out.table_lines(header, rows)
        if self._out.columns:
            lines = lines[: max(2, os.get_terminal_size(self._out.stdout.fileno()).lines - 1)]
            up = f"\x1b[{self._drawn}A\r\x1b[J" if self._drawn else ""
            self._drawn = len(lines)
            self._out.raw(up + "".join(line + "\n" for line in lines))
        else:
            self._out.raw("".join(line + "\n" for line in lines))


def _live_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--no-stream", action="store_true", help="look once")
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS", help="time between looks")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="form of the answer")


def _check(args: Namespace, verb: str) -> None:
    if not 0.05 <= args.interval <= 3600:
        raise UsageError(f"{verb} --interval {args.interval:g}", "not between 0.05 and 3600 seconds")


def top_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `top`."""
    parser.epilog = (
        "On a terminal it goes on until Ctrl-C, the busiest process first; in a pipe it looks once. CPU is the share\n"
        "of one processor since the last look, at the first look since the process began.\n\n"
        "examples:\n  mydocker top web\n  mydocker top --no-stream web"
    )
    _live_arguments(parser)
    parser.add_argument("container", metavar="CONTAINER", help="name or id")


def top(args: Namespace, context: Context) -> int:
    """List the processes of a container, with the host's numbers."""
    _check(args, "top")
    picture = Picture(context.out)
    is_live = bool(context.out.columns) and not args.no_stream and args.format == "table"
    before: dict[int, float] = {}
    moment = 0.0
    while True:
        found = context.engine.containers.processes(args.container)
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        shares = {each.pid: _share(each, before.get(each.pid), now, moment) for each in found}
        if args.format == "json":
            context.out.json([{**each._asdict(), "share": shares[each.pid]} for each in found])
        else:
            ordered = sorted(found, key=lambda each: -shares[each.pid]) if is_live else found
            picture.draw(_PROCESSES, [_process_row(each, shares[each.pid]) for each in ordered])
        if not is_live:
            return 0
        before, moment = {each.pid: each.cpu for each in found}, now
        time.sleep(args.interval)


def _share(process: Process, before: float | None, now: float, moment: float) -> float:
    if before is None:
        return process.cpu / max(now - process.started, 0.01)
    return (process.cpu - before) / max(now - moment, 0.01)


def _process_row(each: Process, share: float) -> tuple[str, ...]:
    return str(each.pid), str(each.parent), str(each.uid), f"{share:.1%}", f"{each.cpu:.2f}", each.command


def stats_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `stats`."""
    parser.epilog = "examples:\n  mydocker stats\n  mydocker stats --no-stream --format json web"
    _live_arguments(parser)
    parser.add_argument("container", nargs="*", metavar="CONTAINER", help="names or ids (default: all that run)")


def stats(args: Namespace, context: Context) -> int:
    """Show what containers use, until they have ended."""
    _check(args, "stats")
    containers = context.engine.containers
    picture = Picture(context.out)
    before: dict[str, Usage] = {}
    while True:
        found = [containers.find(each) for each in args.container] or [c for c in containers.list() if c.is_running]
        now = {each.id: containers.usage(each.id) for each in found if each.is_running}
        if before or not now:
            running = [each for each in found if each.id in now]
            if args.format == "json":
                context.out.json([_facts(each, before.get(each.id), now[each.id]) for each in running])
            else:
                picture.draw(_USAGE, [_usage_row(each, before.get(each.id), now[each.id]) for each in running])
            if args.no_stream or not now:
                return 0
        before = now
        time.sleep(args.interval)


def _cpu(before: Usage | None, now: Usage) -> float:
    return 0.0 if before is None else (now.cpu - before.cpu) / max(now.moment - before.moment, 1e-6)


def _facts(container: Container, before: Usage | None, now: Usage) -> dict[str, object]:
    return {"id": container.short_id, "name": container.name, "share": _cpu(before, now), **now._asdict()}


def _usage_row(container: Container, before: Usage | None, now: Usage) -> tuple[str, ...]:
    limit = human(now.memory_limit) if now.memory_limit else "-"
    measured = (human(now.memory), limit, human(now.read), human(now.written), str(now.processes))
    return container.short_id, container.name, f"{_cpu(before, now):.1%}", *measured


def human(count: int) -> str:
    """Return bytes for people: `1.5MiB`."""
    value = float(count)
    for unit in _UNITS:
        if value < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    return f"{value:.0f}B" if unit == "B" else f"{value:.1f}{unit}"
