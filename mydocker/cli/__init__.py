"""The command line: a table of verbs, one module for each group of them.

How a verb is written. The table `VERBS` names, for each verb, the module that holds it. The module has two functions
for the verb `xyz` (a dash becomes an underscore, names of Python's own get a trailing underscore):

    def xyz_arguments(parser: ArgumentParser) -> None:   declares flags and arguments
    def xyz(args: Namespace, context: Context) -> int:   one call of the engine, renders the answer, returns the status

The shell uses the same two functions, with a parser of its own class. Rules:

* Results go to `context.out` (stdout); everything else (progress, warnings, errors) to stderr.
* Nothing is caught here: `MydockerError` becomes text and an exit status in `main`, in one place.
* A module imports at its top only what every one of its verbs needs; the rest inside the function.
* What a flag or an argument takes is told by its metavar; those that `cli.names` knows are completed everywhere.
* Every parser has an example in its epilog, and every flag a text that tells its default.
* Long flags are declared with two dashes; `cli.parser.Parser` accepts each of them with one dash as well.
"""

from __future__ import annotations

from mydocker.values import NamedTuple


class Verb(NamedTuple):
    """One command: its name, the module under `mydocker.cli` that holds it, its group in the help, its purpose."""

    name: str
    module: str
    group: str
    purpose: str
    aliases: tuple[str, ...] = ()
    hidden: bool = False

    @property
    def function(self) -> str:
        """The name of the verb's function in its module."""
        return {"import": "import_", "exec": "exec_"}.get(self.name, self.name.replace("-", "_").lower())


BUILDING = "Build images"
IMAGES = "Images"
CONTAINERS = "Containers"
HELP = "Help, and working with mydocker"

VERBS: tuple[Verb, ...] = (
    Verb("buildBase", "base", BUILDING, "make the base image, from an archive or from this host"),
    Verb("build", "build", BUILDING, "build an image from a Dockerfile"),
    Verb("debug", "debug", BUILDING, "open a shell where a step of a build failed"),
    Verb("lint", "lint", BUILDING, "check a Dockerfile, and fix what can be fixed"),
    Verb("parse", "parse", BUILDING, "print a Dockerfile's syntax tree"),
    Verb("images", "images", IMAGES, "list images, or which stands on which"),
    Verb("save", "save", IMAGES, "save a container or images to a tar file"),
    Verb("load", "archives", IMAGES, "load images from an archive or an OCI layout"),
    Verb("import", "archives", IMAGES, "make an image of the archive of a root file system"),
    Verb("export", "archives", IMAGES, "write a container's root file system as a tar"),
    Verb("pull", "registries", IMAGES, "fetch images from a registry"),
    Verb("push", "registries", IMAGES, "send an image to a registry"),
    Verb("login", "registries", IMAGES, "keep a name and a password for a registry"),
    Verb("logout", "registries", IMAGES, "forget the name and the password for a registry"),
    Verb("tag", "naming", IMAGES, "give an image one more name"),
    Verb("rmi", "naming", IMAGES, "remove images"),
    Verb("history", "changes", IMAGES, "print the steps of an image"),
    Verb("layers", "anatomy", IMAGES, "show which instruction brought which files, and how much"),
    Verb("blame", "anatomy", IMAGES, "tell which instructions wrote a path of an image"),
    Verb("diff", "changes", IMAGES, "list the files in which images or containers differ"),
    Verb("commit", "changes", IMAGES, "make an image of what a container has become"),
    Verb("df", "housekeeping", IMAGES, "print what the store takes on the disk"),
    Verb("fsck", "housekeeping", IMAGES, "check everything in the store"),
    Verb("prune", "housekeeping", IMAGES, "free what nothing needs: ended containers, nameless images, layers, cache"),
    Verb("run", "run", CONTAINERS, "start a new container"),
    Verb("create", "run", CONTAINERS, "make a container without starting it"),
    Verb("start", "containers", CONTAINERS, "start containers that are not running"),
    Verb("ps", "containers", CONTAINERS, "list all containers, running or not"),
    Verb("logs", "containers", CONTAINERS, "print what a container wrote"),
    Verb("exec", "run", CONTAINERS, "run a command in a running container"),
    Verb("attach", "containers", CONTAINERS, "connect to a running container"),
    Verb("stop", "containers", CONTAINERS, "stop running containers"),
    Verb("restart", "containers", CONTAINERS, "stop containers and start them again"),
    Verb("kill", "containers", CONTAINERS, "send a signal to running containers"),
    Verb("pause", "containers", CONTAINERS, "freeze containers"),
    Verb("unpause", "containers", CONTAINERS, "let frozen containers go on"),
    Verb("wait", "containers", CONTAINERS, "wait until containers have ended"),
    Verb("remove", "containers", CONTAINERS, "remove stopped containers", ("rm",)),
    Verb("rename", "containers", CONTAINERS, "give a container another name"),
    Verb("inspect", "containers", CONTAINERS, "print everything about containers or images"),
    Verb("top", "usage", CONTAINERS, "list the processes of a container"),
    Verb("stats", "usage", CONTAINERS, "show what containers use"),
    Verb("update", "monitor", CONTAINERS, "change limits of containers"),
    Verb("port", "portmap", CONTAINERS, "print the ports of a container"),
    Verb("portmap", "portmap", CONTAINERS, "forward ports of the host"),
    Verb("cp", "monitor", CONTAINERS, "copy files between a container and the host"),
    Verb("events", "monitor", CONTAINERS, "print what happens to containers"),
    Verb("volume", "monitor", CONTAINERS, "manage volumes"),
    Verb("network", "network", CONTAINERS, "manage networks"),
    Verb("shell", "shell", HELP, "type commands one after the other, with completion and history"),
    Verb("help", "help", HELP, "explain a command or a topic"),
    Verb("completion", "completion", HELP, "print the script that completes commands in bash, zsh or fish"),
    Verb("version", "version", HELP, "print the versions that blobs depend on"),
    Verb("man", "help", HELP, "print the manual page"),
    Verb("complete", "completion", HELP, "print how an unfinished command line can go on", hidden=True),
)


def find_verb(name: str) -> Verb | None:
    """Return the verb called `name` (or by one of its aliases); letter case of `buildBase` is forgiven."""
    for verb in VERBS:
        if name == verb.name or name in verb.aliases or name.lower() == verb.name.lower():
            return verb
    return None
