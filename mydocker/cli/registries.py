"""Verbs about registries: pull, push, login, logout."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from mydocker.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mydocker.cli.main import Context

_HUB = "docker.io"


def _security(parser: ArgumentParser) -> None:
    parser.add_argument("--tls-verify", choices=("true", "false"), default="true",
                        help="false: accept any certificate, and plain http")  # fmt: skip


def _insecure(args: Namespace) -> bool:
    return bool(args.tls_verify == "false")


def pull_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `pull`."""
    parser.epilog = "example: mydocker pull registry.example:5000/app:1"
    parser.add_argument("image", nargs="+", metavar="IMAGE", help="name[:tag] or name@sha256:...")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    parser.add_argument("--platform", metavar="OS/ARCH", help="of an image for several platforms, take this one")
    _security(parser)


def pull(args: Namespace, context: Context) -> int:
    """Fetch images from a registry."""
    from mydocker.image import platforms, registry
    from mydocker.image.reference import Reference

    if args.quiet:
        context.hush()
    platform = platforms.parse(args.platform) if args.platform else None
    for reference in [Reference.parse(name) for name in args.image]:
        image = registry.pull(context.engine.images, reference, os.environ, platform=platform, insecure=_insecure(args))
        context.out.line(f"{reference.familiar_name}@{image.digest}")
    return 0


def push_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `push`."""
    parser.epilog = (
        "examples:\n  mydocker push registry.example/app:1.0\n  mydocker push app:1.0 registry.example/app:1.0"
    )
    parser.add_argument("image", metavar="IMAGE", help="name or id of an image that is here")
    parser.add_argument("name", nargs="?", metavar="NAME[:TAG]", help="its name at the registry (default: the same)")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress")
    _security(parser)


def push(args: Namespace, context: Context) -> int:
    """Send an image to a registry."""
    from mydocker.image import registry
    from mydocker.image.reference import Reference

    if args.quiet:
        context.hush()
    reference = Reference.parse(args.name or args.image)
    store = context.engine.images
    digest = registry.push(store, store.resolve(args.image), reference, os.environ, insecure=_insecure(args))
    context.out.line(f"{reference.familiar_name}@{digest}")
    return 0


def login_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `login`."""
    parser.epilog = "example: mydocker login -u me --password-stdin registry.example:5000 < token"
    parser.add_argument("registry", nargs="?", default=_HUB, metavar="REGISTRY", help=f"host[:port] (default: {_HUB})")
    parser.add_argument("-u", "--username", help="who you are")
    parser.add_argument("-p", "--password", help="the password (others can see it: use --password-stdin)")
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")
    _security(parser)


def login(args: Namespace, context: Context) -> int:
    """Keep a name and a password for a registry, where docker keeps them."""
    from mydocker.image import registry
    from mydocker.image.credentials import Credential

    registry.login(args.registry, Credential(_user(args), _password(args)), os.environ, insecure=_insecure(args))
    context.out.line(f"logged in to {args.registry}")
    return 0


def _user(args: Namespace) -> str:
    if args.username:
        return str(args.username)
    if args.password_stdin or not sys.stdin.isatty():
        raise UsageError("login", "who are you?", "give --username")
    return input("username: ")


def _password(args: Namespace) -> str:
    if args.password_stdin:
        return sys.stdin.read().rstrip("\r\n")
    if args.password is not None:
        return str(args.password)
    if not sys.stdin.isatty():
        raise UsageError("login", "there is no terminal to ask for the password", "give --password-stdin")
    from getpass import getpass

    return getpass("password: ")


def logout_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `logout`."""
    parser.epilog = "example: mydocker logout registry.example:5000"
    parser.add_argument("registry", nargs="?", default=_HUB, metavar="REGISTRY", help=f"host[:port] (default: {_HUB})")


def logout(args: Namespace, context: Context) -> int:
    """Forget the name and the password for a registry."""
    from mydocker.image import registry

    registry.logout(args.registry, os.environ)
    context.out.line(f"logged out of {args.registry}")
    return 0
