"""A project that is changed in scripted ways, and what each change has to lead to.

The expectation is a model of its own: it knows the project's steps and what each hands on, nothing of keys or caches.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INSTRUCTION = "the instruction itself changed"
BEFORE = "a step before it gave another result"
BASE = "the base image changed"

# The steps, by the names that changes call them by: which stage, and the how-manieth in it.
STEPS = {
    "level": ("tools", 1), "sources": ("tools", 2),
    "library": ("side", 1), "assets": ("side", 2),
    "workdir": ("last", 1), "take level": ("last", 2), "take assets": ("last", 3), "configure": ("last", 4),
    "finish": ("last", 5),
}  # fmt: skip


class Run(NamedTuple):
    """A step that has to run: why, and whether it then gives something else than before."""

    why: str
    changes: bool = True


Effect = dict[str, Run]


class Project:
    """A context with a Dockerfile of three stages; its attributes are what changes turn."""

    def __init__(self, context: Path) -> None:
        self.context = context
        self.base = "base"
        self.args: dict[str, str] = {"LEVEL": "1"}
        self.mode = "plain"
        self.default = "0"
        self.echo = "echo"
        self.target = "/mnt"
        self.chmod = "644"
        self.directory = "/app"
        self.read = "cat"
        self.link = ""
        self.label = "1"
        self.comment = ""
        self.order = ("tools", "side")
        self.spare = ""
        self.tail = ""
        for number in range(6):
            for folder in ("src", "src/deep", "lib", "assets"):
                self.write(f"{folder}/f{number}", f"{folder} {number}")
        os.symlink("f1", context / "src/link")
        self.write("conf.txt", "conf")
        self.write("notes.txt", "copied by nobody")
        self.write("src/ignored.tmp", "hidden")
        self.write("src/hide", "sometimes hidden")
        self.ignored = ["**/*.tmp"]

    def write(self, name: str, text: str) -> None:
        """Write a file of the context, in the place of a link too."""
        path = self.context / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        path.write_text(text)

    def save(self) -> None:
        """Write the Dockerfile."""
        stages = {
            "tools": (
                f"FROM {self.base} AS tools\nARG LEVEL={self.default}\nENV MODE={self.mode}\n{self.comment}\n"
                f"RUN {self.echo} $LEVEL $MODE > /level\nCOPY src/ /src/\n"
            ),
            "side": (
                f"FROM {self.base} AS side\nCOPY lib /lib/\n"
                f"RUN --mount=type=bind,source=assets,target={self.target} cat {self.target}/* > /assets.txt\n"
            ),
        }
        last = (
            f"FROM {self.base} AS last\nWORKDIR {self.directory}\nCOPY --from=tools /level {self.link}/app/level\n"
            f"COPY --from=side /assets.txt /app/\nCOPY --chmod={self.chmod} conf.txt /app/\n"
            f"LABEL v={self.label}\nRUN {self.read} /app/level > /app/copy\n{self.tail}"
        )
        text = "".join(stages[name] for name in self.order) + self.spare + last
        (self.context / "Dockerfile").write_text(text)
        (self.context / ".dockerignore").write_text("\n".join(self.ignored))


def consequences(direct: Effect) -> dict[str, str]:
    """Return why each step has to run, given what a change does to some of them directly."""
    runs = dict(direct)

    def follow(step: str, causes: dict[str, str]) -> None:
        for cause, why in causes.items():
            if step not in runs and cause in runs and runs[cause].changes:
                # What is read again and gives the same bytes changes nothing further on.
                runs[step] = Run(why, changes=(step, cause) != ("assets", "library"))

    follow("sources", {"level": BEFORE})
    follow("assets", {"library": BEFORE})
    follow("take level", {"workdir": BEFORE, "level": "file level changed"})
    follow("take assets", {"take level": BEFORE, "assets": "file assets.txt changed"})
    follow("configure", {"take assets": BEFORE})
    follow("finish", {"configure": BEFORE})
    return {step: run.why for step, run in runs.items()}


def _content(folder: str, step: str, *, changes: bool = True) -> Callable[[Project, int], Effect]:
    def change(project: Project, turn: int) -> Effect:
        name = f"{folder}/f{turn % 6}"
        project.write(name, f"turn {turn}")
        return {step: Run(f"file {name} changed", changes)}

    return change


def _mode(project: Project, turn: int) -> Effect:
    name = f"src/f{turn % 6}"
    before = (project.context / name).stat().st_mode & 0o777
    (project.context / name).chmod((before & ~0o77) | (turn % 63 + 1 if turn % 63 + 1 != before & 0o77 else 0))
    return {"sources": Run(f"file {name} changed")}


def _new(project: Project, turn: int) -> Effect:
    project.write(f"src/new-{turn}", f"{turn}")
    return {"sources": Run(f"file src/new-{turn} is new")}


def _rename(project: Project, turn: int) -> Effect:
    old, new = project.context / "src/f5", project.context / f"src/renamed-{turn}"
    old.rename(new)
    shutil.copy(new, old)
    return {"sources": Run(f"file src/renamed-{turn} is new")}


def _move(project: Project, turn: int) -> Effect:
    old = sorted(path for path in (project.context / "src").iterdir() if path.name.startswith(("new-", "renamed-")))
    if not old:
        return {}
    old[0].rename(project.context / f"src/moved-{turn}")
    return {"sources": Run(f"file src/moved-{turn} is new, file src/{old[0].name} is gone")}


def _remove(project: Project, turn: int) -> Effect:
    old = sorted(path for path in (project.context / "src").iterdir() if path.name.startswith(("new-", "moved-")))
    if not old:
        return {}
    old[0].unlink()
    project.write("src/f0", f"removal {turn}")
    return {"sources": Run(f"file src/f0 changed, file src/{old[0].name} is gone")}


def _directory(project: Project, turn: int) -> Effect:
    (project.context / f"src/empty-{turn}").mkdir()
    return {"sources": Run(f"directory src/empty-{turn} is new")}


def _retarget(project: Project, turn: int) -> Effect:
    (project.context / "src/link").unlink()
    os.symlink(f"nowhere-{turn}", project.context / "src/link")
    return {"sources": Run("file src/link changed")}


def _to_a_link(project: Project, turn: int) -> Effect:
    path = project.context / f"src/deep/f{turn % 6}"
    path.unlink()
    os.symlink(f"target-{turn}", path)
    return {"sources": Run(f"file src/deep/{path.name} changed")}


def _to_a_file(project: Project, turn: int) -> Effect:
    path = project.context / f"src/deep/f{turn % 6}"
    path.unlink()
    path.write_text(f"file again {turn}")
    return {"sources": Run(f"file src/deep/{path.name} changed")}


def _touch(project: Project, turn: int) -> Effect:
    for name in ("src/f1", "lib/f2", "assets/f3", "conf.txt", "src/deep"):
        os.utime(project.context / name, (turn, turn))
    return {}


def _replace_by_equal(project: Project, turn: int) -> Effect:
    path = project.context / f"lib/f{turn % 6}"
    data, mode = path.read_bytes(), path.stat().st_mode
    path.unlink()
    path.write_bytes(data)
    path.chmod(mode)
    return {}


def _elsewhere(project: Project, turn: int) -> Effect:
    project.write("notes.txt", f"turn {turn}")
    project.write(f"unused/{turn}", "")
    return {}


def _ignored(project: Project, turn: int) -> Effect:
    project.write("src/ignored.tmp", f"turn {turn}")
    project.write(f"src/ignored-{turn}.tmp", "")
    return {}


def _ignore(project: Project, turn: int) -> Effect:
    project.write(f"lib/local-{turn}", "never seen")
    project.ignored = [*project.ignored, f"lib/local-{turn}"]
    return {}


def _ignore_one(project: Project, turn: int) -> Effect:
    if "src/hide" in project.ignored:
        return {}
    project.ignored = [*project.ignored, "src/hide"]
    project.write("src/f2", f"not as it was when the other was hidden before: {turn}")
    return {"sources": Run("file src/f2 changed, file src/hide is gone")}


def _ignore_no_more(project: Project, turn: int) -> Effect:
    if "src/hide" not in project.ignored:
        return {}
    project.ignored = [pattern for pattern in project.ignored if pattern != "src/hide"]
    project.write("src/hide", f"back {turn}")
    return {"sources": Run("file src/hide is new")}


def _configuration(project: Project, turn: int) -> Effect:
    project.write("conf.txt", f"turn {turn}")
    return {"configure": Run("file conf.txt changed")}


def _argument(project: Project, turn: int) -> Effect:
    before, project.args["LEVEL"] = project.args["LEVEL"], f"level-{turn}"
    return {"level": Run(f"argument LEVEL changed from {before!r} to 'level-{turn}'")}


def _default_that_is_overruled(project: Project, turn: int) -> Effect:
    project.default = str(turn)
    return {}


def _argument_that_nobody_wants(project: Project, turn: int) -> Effect:
    project.args[f"UNUSED_{turn}"] = "x"
    return {}


def _variable(project: Project, turn: int) -> Effect:
    before, project.mode = project.mode, f"mode-{turn}"
    return {"level": Run(f"variable MODE changed from {before!r} to 'mode-{turn}'")}


def _words_of_run(project: Project, turn: int) -> Effect:
    project.echo = f"true {turn}; echo"
    return {"level": Run(INSTRUCTION, changes=False)}


def _mount_point(project: Project, turn: int) -> Effect:
    project.target = f"/mnt/{turn}"
    return {"assets": Run(INSTRUCTION, changes=False)}


def _flag(project: Project, turn: int) -> Effect:
    project.chmod = f"{0o400 + turn:o}"
    return {"configure": Run(INSTRUCTION)}


def _work_directory(project: Project, turn: int) -> Effect:
    project.directory = f"/work/{turn}"
    return {"workdir": Run(INSTRUCTION)}


def _last_command(project: Project, turn: int) -> Effect:
    project.read = f"true {turn} && cat"
    return {"finish": Run(INSTRUCTION, changes=False)}


def _label(project: Project, turn: int) -> Effect:
    project.label = str(turn)
    return {}


def _comment(project: Project, turn: int) -> Effect:
    project.comment = f"# turn {turn}\n\n"
    return {}


def _order(project: Project, turn: int) -> Effect:
    project.order = (project.order[1], project.order[0])
    return {}


def _stage_that_nobody_needs(project: Project, turn: int) -> Effect:
    project.spare = f"FROM base AS spare{turn}\nRUN false {turn}\n"
    return {}


def _description(project: Project, turn: int) -> Effect:
    project.tail = f'ENV LAST={turn}\nCMD ["turn", "{turn}"]\nUSER {turn}\n'
    return {}


def _two_at_once(project: Project, turn: int) -> Effect:
    return {**_new(project, turn), **_configuration(project, turn)}


def _many_files(project: Project, turn: int) -> Effect:
    for number in range(6):
        project.write(f"lib/f{number}", f"all {turn}")
    return {"library": Run("file lib/f0 changed, file lib/f1 changed, file lib/f2 changed, and 3 more")}


CHANGES: dict[str, Callable[[Project, int], Effect]] = {
    "a source's content": _content("src", "sources"),
    "a deep source's content": _content("src/deep", "sources"),
    "a library's content": _content("lib", "library"),
    "an asset's content": _content("assets", "assets"),
    "a mode": _mode,
    "a new file": _new,
    "a renamed copy": _rename,
    "a moved file": _move,
    "a removed file": _remove,
    "a new directory": _directory,
    "a link's target": _retarget,
    "a file turned into a link": _to_a_link,
    "a link turned into a file": _to_a_file,
    "times": _touch,
    "an equal file in a file's place": _replace_by_equal,
    "files that nothing copies": _elsewhere,
    "ignored files": _ignored,
    "a file ignored from the start": _ignore,
    "a file ignored from now on": _ignore_one,
    "a file ignored no more": _ignore_no_more,
    "a file of the context's root": _configuration,
    "a build argument": _argument,
    "a default that is overruled": _default_that_is_overruled,
    "an argument that nobody wants": _argument_that_nobody_wants,
    "a variable": _variable,
    "a command's words": _words_of_run,
    "a mount's target": _mount_point,
    "a flag": _flag,
    "the working directory": _work_directory,
    "the last command": _last_command,
    "a label": _label,
    "a comment": _comment,
    "the stages' order": _order,
    "a stage that nobody needs": _stage_that_nobody_needs,
    "what describes the image": _description,
    "two things at once": _two_at_once,
    "many files": _many_files,
}
