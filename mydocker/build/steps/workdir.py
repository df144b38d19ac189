"""WORKDIR makes its directory where it is missing, owned by the user of the stage (Dockerfile reference, "WORKDIR")."""

from __future__ import annotations

from mydocker.dockerfile import instructions as ins
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.build.executor import Workshop
    from mydocker.build.plan import Step


class WorkdirHandler:
    """Carries out WORKDIR."""

    def sees_parent(self, step: Step) -> bool:
        """Whether the directory is there already, and where links lead, are facts of the parent."""
        return True

    def key_parts(self, step: Step, shop: Workshop) -> dict[str, str]:
        """The path is in the step's text only as written; here it is whole."""
        assert isinstance(step.instruction, ins.Workdir)
        return {"path": step.instruction.path, "user": step.user}

    def run(self, step: Step, shop: Workshop, below: tuple[str, ...], place: str) -> None:
        """Make the directory and those above it."""
        from mydocker.build.owners import owner_of
        from mydocker.build.placing import Manner, Placer
        from mydocker.build.tree import resolve
        from mydocker.runtime.rootfs import overlay_fd

        assert isinstance(step.instruction, ins.Workdir)
        with overlay_fd(below, f"{place}/upper", f"{place}/work") as root:
            owner = owner_of(root, step.user, shop.reporter) if step.user else (0, 0)
            Placer(root, Manner(owner=owner)).make_directories(resolve(root, step.instruction.path))
