"""One handler for each kind of step that makes a layer: what goes into its key, and how it is carried out."""

from __future__ import annotations

from mydocker.dockerfile import instructions as ins
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    from mydocker.build.executor import Workshop
    from mydocker.build.plan import Step
    from mydocker.image.layers import Filling

    class Handler(Protocol):
        """What the executor asks of a kind of step."""

        def sees_parent(self, step: Step) -> bool:
            """Tell whether the step's result depends on what it stands on."""

        def key_parts(self, step: Step, shop: Workshop) -> dict[str, str]:
            """Return the parts of the step's key besides its text and its parent."""

        def run(self, step: Step, shop: Workshop, below: tuple[str, ...], place: str) -> Filling | None:
            """Carry the step out: leave its changes in `place`/upper, over the snapshots `below` (topmost first).

            `place` also holds `work` for overlayfs, and anything else that has to be gone afterwards. What is returned
            is still to be written into the layer, when the overlay is gone.
            """


def handler_for(step: Step) -> Handler:
    """Return the handler of a step; its module is loaded at its first use."""
    match step.instruction:
        case ins.Run():
            from mydocker.build.steps.run import RunHandler

            return RunHandler()
        case ins.Workdir():
            from mydocker.build.steps.workdir import WorkdirHandler

            return WorkdirHandler()
        case ins.Copy() | ins.Add():
            from mydocker.build.steps.copy import CopyHandler

            return CopyHandler()
