"""Published ports of a container in the making: what `-p`, `-P` and `--expose` come to."""

from __future__ import annotations

from mydocker.errors import UsageError
from mydocker.events import Notice
from mydocker.network.portmap import ports
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from mydocker.creation.connection import Network
    from mydocker.creation.request import RunRequest
    from mydocker.events import Reporter
    from mydocker.runtime.record import Container

_MODULE = "mydocker.network.portmap.publishing"


def refresh(container: Container, bundle: str) -> None:
    """Tell the forwarding service that a running container's networks have changed; nothing where it has no ports."""
    for module, directory, *_ in container.attachments:
        if module == _MODULE:
            from mydocker.network.portmap import publishing

            publishing.refresh(bundle, directory)


def with_ports(
    network: Network, request: RunRequest, exposed: tuple[str, ...], directory: str, reporter: Reporter
) -> Network:
    """Return the connection with the ports that are asked for; `exposed` are those of the image's EXPOSE.

    `directory` is the store's portmap/. Raise UsageError.
    """
    asked = ports.parse_all(request.publish, (*exposed, *request.expose) if request.publish_all else ())
    if not asked:
        return network
    if network.mode == "host":
        # Docker's rule: there is nothing to forward, the container has the host's ports themselves.
        reporter(Notice("published ports are left out: the container is on the host's network", "warning"))
        return network
    if network.name.startswith("container:"):
        why = "the ports of a shared network are published by the container whose network it is"
        raise UsageError(f"-p {asked[0]}", why, "give -p to that one")
    words = tuple(str(publish) for publish in asked)
    return network._replace(
        attachments=(*network.attachments, (_MODULE, directory, request.name, *words)), ports=", ".join(words)
    )
