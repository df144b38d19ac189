"""RUN --mount: what is mounted for one command, and what of it counts in the step's key.

bind     files of the context, a stage or an image, read-only unless `rw` (then changes are dropped)
cache    a directory that outlives the build; what is in it is no part of a key, since a step must not depend on it
tmpfs    nothing but room
secret   bytes from the command line, in memory only; neither they nor their hash are in a key
ssh      a socket to the agent that holds the keys
"""

from __future__ import annotations

import os
import posixpath
import stat

from mydocker.build.keys import digest_of
from mydocker.build.placing import Manner, Placer
from mydocker.build.selection import EVERYTHING, pick
from mydocker.errors import BuildFailed, NotFound
from mydocker.image.locks import locked
from mydocker.linux import mounts as kernel
from mydocker.linux.lookup import open_in_root
from mydocker.runtime.options import Mount
from mydocker.runtime.rootfs import overlay_fd
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from contextlib import ExitStack

    from mydocker.build.executor import Workshop
    from mydocker.build.plan import Step
    from mydocker.build.request import Secret
    from mydocker.build.tree import Tree
    from mydocker.dockerfile import instructions as ins

_SECRETS = "/run/secrets"
_AGENT = "/run/buildkit/ssh_agent.{}"  # the path that BuildKit made customary


class Made(NamedTuple):
    """What one --mount came to: mounts for the runtime, and variables for the command."""

    mounts: tuple[Mount, ...] = ()
    env: tuple[str, ...] = ()


def make(number: int, mount: ins.Mount, step: Step, shop: Workshop, place: str, stack: ExitStack) -> Made:
    """Prepare one mount; what it acquires is released when `stack` unwinds."""
    match mount.type:
        case "bind":
            return _bind(number, mount, step, shop, place, stack)
        case "cache":
            return _cache(mount, step, shop, stack)
        case "tmpfs":
            size = (f"size={mount.size}",) if mount.size else ()
            return Made((Mount(_target(mount, step), "tmpfs", "tmpfs", ("nosuid", "nodev", "noexec", *size)),))
        case "secret":
            return _secret(mount, step, shop, place, stack)
        case _:
            return _ssh(number, mount, step, shop)


def _target(mount: ins.Mount, step: Step) -> str:
    if not mount.target:
        raise BuildFailed(f"a {mount.type} mount needs a target", hint=f"write --mount=type={mount.type},target=PATH")
    return "/" + posixpath.normpath(posixpath.join(step.workdir, mount.target)).lstrip("/")


def _bind(number: int, mount: ins.Mount, step: Step, shop: Workshop, place: str, stack: ExitStack) -> Made:
    source = step.sources[mount.from_]
    directory = f"{place}/bind-{number}"
    options = ("ro",) if mount.read_only else ()
    if os.path.isdir(directory):  # what an earlier run of the step had, brought back
        (name,) = os.listdir(directory)
        return Made((Mount(_target(mount, step), f"{directory}/{name}", "bind", options),))
    tree = shop.trees.open(source)
    os.mkdir(directory, 0o755)
    if source.ground is not None:
        layers = shop.store.stack_dirs(shop.stack(source.ground))
        path = _overlaid(layers, tree, mount, directory, stack)
    else:
        path = _copied(tree, mount, directory)
    return Made((Mount(_target(mount, step), path, "bind", options),))


def _copied(tree: Tree, mount: ins.Mount, directory: str) -> str:
    """Copy what the context shows (ignore file, root as owner): the host's own files would say more than the key."""
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        placer = Placer(root, Manner())
        picked = pick(tree, mount.source or "/", EVERYTHING)
        for one in picked:
            placer.place(tree, one, "/all" if one.root.is_dir else f"/{one.name}")
        return f"{directory}/{'all' if picked[0].root.is_dir else picked[0].name}"
    finally:
        os.close(root)


def _overlaid(layers: tuple[str, ...], tree: Tree, mount: ins.Mount, directory: str, stack: ExitStack) -> str:
    """Return a path to the source inside a merged view of a stage's layers, writable into a throw-away directory."""
    if not layers:
        raise NotFound(f"'{mount.source or '/'}' is not in {tree.name}", "it is empty")
    upper, work = f"{directory}/upper", f"{directory}/work"
    for each in (upper, work):
        os.mkdir(each, 0o755)
    root = stack.enter_context(overlay_fd(layers, upper, work))
    fd = open_in_root(root, tree.resolve(mount.source) or ".", os.O_PATH)
    stack.callback(os.close, fd)
    try:
        # Cloned and left detached: the container's process binds it by this descriptor of ours.
        clone = kernel.clone(fd)
    except OSError:
        return _materialised(tree, mount, directory)  # before Linux 6.15 only attached mounts can be cloned
    stack.callback(os.close, clone)
    return f"/proc/{os.getpid()}/fd/{clone}"


def _materialised(tree: Tree, mount: ins.Mount, directory: str) -> str:
    plain = f"{directory}/plain"
    os.mkdir(plain, 0o755)
    return _copied(tree, mount, plain)


def _cache(mount: ins.Mount, step: Step, shop: Workshop, stack: ExitStack) -> Made:
    """Mount a directory kept under the name of its id; owner and mode are part of the name, as BuildKit has it."""
    target = _target(mount, step)
    mode, uid, gid = mount.mode if mount.mode is not None else 0o755, mount.uid or 0, mount.gid or 0
    origin = mount.from_ and f"{mount.from_} {mount.source}"
    name = digest_of([mount.id or target, f"{mode:o}", str(uid), str(gid), origin])[:32]
    parent = shop.store.layout.cache_mounts
    os.makedirs(parent, mode=0o700, exist_ok=True)
    slot = _slot(parent, name, mount.sharing or "shared", stack)
    with locked(f"{slot}.lock"):
        if not os.path.isdir(slot):
            unfinished = f"{slot}.new"
            os.makedirs(unfinished, exist_ok=True)
            if mount.from_:
                _fill(unfinished, mount, step, shop)
            os.chown(unfinished, uid, gid)
            os.chmod(unfinished, mode)
            os.rename(unfinished, slot)
    return Made((Mount(target, slot, "bind", ("ro",) if mount.read_only else ()),))


def _slot(parent: str, name: str, sharing: str, stack: ExitStack) -> str:
    """Return the directory to use. `locked` waits for it, `private` takes another one when it is in use."""
    if sharing != "private":
        stack.enter_context(locked(f"{parent}/{name}.use", shared=sharing == "shared"))
        return f"{parent}/{name}"
    from mydocker.errors import Busy

    number = 0
    while True:
        number += 1
        try:
            stack.enter_context(locked(f"{parent}/{name}-{number}.use", wait=0))
        except Busy:
            continue
        return f"{parent}/{name}-{number}"


def _fill(directory: str, mount: ins.Mount, step: Step, shop: Workshop) -> None:
    tree = shop.trees.open(step.sources[mount.from_])
    root = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for picked in pick(tree, mount.source or "/", EVERYTHING):
            Placer(root, Manner()).place(tree, picked, "/")
    finally:
        os.close(root)


def secrets_of(given: tuple[ins.Mount, ...], secrets: tuple[Secret, ...]) -> tuple[Secret, ...]:
    """Return the secrets that a command with these mounts can see."""
    names = {secret_name(mount) for mount in given if mount.type == "secret"}
    return tuple(secret for secret in secrets if secret.id in names)


def secret_name(mount: ins.Mount) -> str:
    """Return the id of the secret that a mount asks for."""
    return mount.id or mount.source or posixpath.basename(mount.target)


def _secret(mount: ins.Mount, step: Step, shop: Workshop, place: str, stack: ExitStack) -> Made:
    name = secret_name(mount)
    secret = next((each for each in shop.request.secrets if each.id == name), None)
    if secret is None:
        if mount.required:
            raise BuildFailed(f"the secret {name} is required", "it was not given", f"add --secret id={name},src=FILE")
        return Made()
    env = (f"{mount.env}={secret.value.decode('utf-8', 'surrogateescape')}",) if mount.env else ()
    if mount.env and not mount.target:
        return Made(env=env)
    target = mount.target or f"{_SECRETS}/{name}"
    target = "/" + posixpath.normpath(posixpath.join(step.workdir, target)).lstrip("/")
    path = _in_memory(secret.value, mount, stack)
    return Made((Mount(target, path, "bind", ("ro", "nosuid", "nodev", "noexec")),), env)


def _in_memory(value: bytes, mount: ins.Mount, stack: ExitStack) -> str:
    """Write a secret to a detached file system in memory: no disk ever has it, and it is gone with its descriptor."""
    memory = kernel.new_filesystem("tmpfs", [("mode", "0700"), ("size", str(len(value) + 8192))])
    stack.callback(os.close, memory)
    fd = os.open("secret", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=memory)
    with open(fd, "wb") as file:
        file.write(value)
        os.fchown(file.fileno(), mount.uid or 0, mount.gid or 0)
        os.fchmod(file.fileno(), mount.mode if mount.mode is not None else 0o400)
    opened = os.open("secret", os.O_PATH | os.O_NOFOLLOW, dir_fd=memory)
    stack.callback(os.close, opened)
    clone = kernel.clone(opened)
    stack.callback(os.close, clone)
    return f"/proc/{os.getpid()}/fd/{clone}"


def _ssh(number: int, mount: ins.Mount, step: Step, shop: Workshop) -> Made:
    name = mount.id or "default"
    socket = shop.request.ssh.get(name)
    if socket is None or not stat.S_ISSOCK(os.stat(socket).st_mode):
        if mount.required:
            raise BuildFailed(f"the agent {name} is required", "it was not given", f"add --ssh {name}=SOCKET")
        return Made()
    target = mount.target or _AGENT.format(number)
    return Made((Mount(target, socket, "bind", ()),), (f"SSH_AUTH_SOCK={target}",))
