"""ADD from a git repository, `URL[#ref[:subdirectory]]`, with the host's git, which alone knows every transport.

git is run with a fixed, small environment: no configuration of the user's, no hooks, no prompts, no file: transport
hidden in a submodule; a ref is never taken for a flag. What is copied is the tree of one commit; its name (40 hex
digits) goes into the step's key, so a branch that has not moved is a hit.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from mydocker.build.selection import Rules, pick
from mydocker.build.tree import Tree
from mydocker.dockerfile import globs, ignore
from mydocker.errors import BuildFailed
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mydocker.build.executor import Workshop
    from mydocker.build.placing import Placer
    from mydocker.dockerfile.instructions import Add

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "git:http:https:ssh:file",
    "LC_ALL": "C",
}
_PASSED_ON = ("PATH", "HOME", "SSH_AUTH_SOCK", "http_proxy", "https_proxy", "no_proxy")


class Repository(NamedTuple):
    """Where to fetch from, which ref ("" for the default branch), and which directory of it ("" for all)."""

    url: str
    ref: str
    subdirectory: str

    @classmethod
    def parse(cls, source: str) -> Repository:
        """Split `URL#ref:subdirectory`."""
        url, _, fragment = source.partition("#")
        ref, _, subdirectory = fragment.partition(":")
        if ref.startswith("-") or url.startswith("-"):
            raise BuildFailed(f"cannot fetch {source}", "a name that begins with - is no ref")
        return cls(url, ref, subdirectory.strip("/"))


def commit_of(source: str, checksum: str) -> str:
    """Return the commit that `source` means now, asking its server; with `checksum` it has to be that one."""
    repository = Repository.parse(source)
    commit = repository.ref if _COMMIT.fullmatch(repository.ref) else _ask(repository)
    if checksum and not commit.startswith(checksum.removeprefix("git:")):
        raise BuildFailed(f"{source} is not what --checksum says", f"it is at {commit}, expected was {checksum}")
    return commit


def add(one: Add, source: str, shop: Workshop, placer: Placer, destination: str, place: str) -> None:
    """Copy the tree of the commit to `destination`, without `.git` unless --keep-git-dir."""
    repository = Repository.parse(source)
    checkout = _check_out(repository, commit_of(source, one.checksum), place)
    if not one.keep_git_dir:
        shutil.rmtree(os.path.join(checkout, ".git"))
    fd = os.open(checkout, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    excluded = ignore.Matcher(one.exclude)
    rules = Rules(globs.match, excluded.excluded, lambda pattern, path: False)
    with Tree(fd, source, shop.trees.cache, owned=False) as tree:
        for picked in pick(tree, repository.subdirectory or "/", rules):
            placer.place(tree, picked, destination)


def fetch(source: str, place: str) -> str:
    """Fetch a repository as a build context; return the directory below `place` that is one."""
    repository = Repository.parse(source)
    checkout = _check_out(repository, commit_of(source, ""), place)
    shutil.rmtree(os.path.join(checkout, ".git"))
    inside = os.path.normpath(os.path.join("/", repository.subdirectory)).lstrip("/")
    context = os.path.realpath(os.path.join(checkout, inside))
    if context != os.path.join(os.path.realpath(checkout), inside).rstrip("/") or not os.path.isdir(context):
        raise BuildFailed(f"cannot use {source}", f"{repository.subdirectory} is no directory of it")
    return context


def _check_out(repository: Repository, commit: str, place: str) -> str:
    checkout = os.path.join(place, f"git-{commit}")
    os.mkdir(checkout, 0o700)
    _git("init", "--quiet", checkout)
    wanted = commit if _COMMIT.fullmatch(repository.ref) else repository.ref or "HEAD"
    _git("-C", checkout, "fetch", "--quiet", "--depth=1", "--", repository.url, wanted)
    _git("-C", checkout, "-c", "advice.detachedHead=false", "checkout", "--quiet", commit)
    return checkout


def _ask(repository: Repository) -> str:
    ref = repository.ref or "HEAD"
    listed = _git("ls-remote", "--", repository.url, ref, f"{ref}^{{}}")
    found = dict(line.split("\t")[::-1] for line in listed.splitlines())
    for name in (f"refs/tags/{ref}^{{}}", f"refs/heads/{ref}", f"refs/tags/{ref}", ref):
        if name in found:
            return found[name]
    raise BuildFailed(f"cannot fetch {repository.url}", f"it has no ref {ref}")


def _git(*words: str) -> str:
    if shutil.which("git") is None:
        raise BuildFailed("cannot fetch from a git repository", "git is not installed here", "install git")
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _ENVIRONMENT
    flags = ("-c", "core.hooksPath=/dev/null", "-c", "core.symlinks=true", "-c", "core.autocrlf=false")
    done = subprocess.run(
        ["git", *flags, *words], capture_output=True, text=True, env=environment, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"git ended with {done.returncode}"]
        raise BuildFailed(f"git {words[0] if words[0] != '-C' else words[2]} failed", last[0])
    return done.stdout
