"""The public API: one object that every door calls. It composes the rooms and has little of its own.

    from mydocker.engine import BuildRequest, Engine, RunRequest
    engine = Engine()
    result = engine.build(BuildRequest(context="app", tags=("app:1.0",)))
    container = engine.create(RunRequest(image="app:1.0"))

Nothing is printed: progress goes to the reporter, failures are raised as `mydocker.errors`. What a method does not need
is not imported; importing this module costs a few milliseconds.
"""

from __future__ import annotations

import os
import time

from mydocker.errors import MydockerError, NotFound, RegistryError
from mydocker.events import Notice, silent
from mydocker.values import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from mydocker.build.plan import Base
    from mydocker.build.request import BuildRequest as BuildRequest
    from mydocker.build.request import BuildResult, Secret
    from mydocker.creation.connection import Network
    from mydocker.creation.request import RunRequest as RunRequest
    from mydocker.creation.volumes import Volumes
    from mydocker.engine.networks import StoreNetworks
    from mydocker.engine.ports import Ports
    from mydocker.engine.verification import Verified
    from mydocker.events import Reporter
    from mydocker.image.image import Image
    from mydocker.image.layout import Layout
    from mydocker.image.store import ImageStore
    from mydocker.network.membership import Attached
    from mydocker.network.portmap.ports import Published
    from mydocker.runtime.containers import Containers
    from mydocker.runtime.record import Container

BASE = "base"


class Engine:
    """Images, builds and containers of one store. Safe to use from several processes; not from several threads at once.

    `root` is the store's directory (None: $MYDOCKER_ROOT, else /var/lib/mydocker for root, else
    $XDG_DATA_HOME/mydocker); it is made when first needed.
    """

    def __init__(
        self, root: str | None = None, *, reporter: Reporter = silent, environ: Mapping[str, str] | None = None
    ) -> None:
        self._root = root
        self._environ = os.environ if environ is None else environ
        self.reporter = reporter
        self._layout: Layout | None = None
        self._images: ImageStore | None = None
        self._containers: Containers | None = None

    @property
    def layout(self) -> Layout:
        """The paths of the store; opening it removes what killed processes left in it."""
        if self._layout is None:
            from mydocker.image.layout import Layout, default_root

            layout = Layout(os.path.abspath(self._root or default_root(self._environ, os.geteuid())))
            was_killed = layout.has_workspaces("step")
            self._layout = Layout.open(layout.root)
            if was_killed:
                from mydocker.runtime import sandbox

                sandbox.recover()
        return self._layout

    @property
    def images(self) -> ImageStore:
        """The images of the store."""
        if self._images is None:
            from mydocker.image.store import ImageStore

            self._images = ImageStore(self.layout, self.reporter, pins=self.pins)
        return self._images

    @property
    def containers(self) -> Containers:
        """The containers of the store; opening them clears what killed ones left."""
        if self._containers is None:
            from mydocker.runtime.containers import Containers

            self._containers = Containers(self.layout.containers)
            self._containers.recover()
            if os.path.exists(f"{self.layout.root}/portmap"):
                self._mend_ports()
        return self._containers

    @property
    def ports(self) -> Ports:
        """The forwarded ports of the store."""
        from mydocker.engine.ports import Ports

        return Ports(self.layout.root)

    @property
    def networks(self) -> StoreNetworks:
        """The networks of the store; opening them takes containers off that killed processes left on."""
        from mydocker.engine.networks import StoreNetworks

        networks = StoreNetworks(self.layout.networks, self.containers, self.reporter)
        networks.recover()
        return networks

    def _mend_ports(self) -> None:
        """See that published ports are forwarded; where that cannot be, everything else still works."""
        try:
            self.ports.mend()
        except MydockerError as err:
            self.reporter(Notice(f"ports are not forwarded: {err}", "warning"))

    def published(self) -> dict[str, tuple[Published, ...]]:
        """Return the ports that lead to running containers, by id."""
        return self.ports.published() if os.path.exists(f"{self.layout.root}/portmap") else {}

    def attached(self) -> dict[str, tuple[Attached, ...]]:
        """Return the networks that running containers are on, with their addresses there, by id."""
        if not os.path.exists(self.layout.networks):
            return {}
        from mydocker.network.membership import attached

        return attached(self.layout.networks)

    @property
    def volumes(self) -> Volumes:
        """The volumes of the store."""
        from mydocker.creation.volumes import Volumes

        return Volumes(f"{self.layout.root}/volumes")

    def pins(self, containers: Sequence[Container] | None = None, *, cached: bool = True) -> frozenset[str]:
        """Return the snapshots (hex names) that containers (None: all) stand on, and the layers of the build cache."""
        from mydocker.build.cache import Cache

        listed = self.containers.list() if containers is None else containers
        kept = {os.path.basename(path) for each in listed for path in each.lower}
        if cached and os.path.exists(self.layout.cache):
            with Cache(self.layout.cache) as cache:
                kept |= {name.partition(":")[2] for name in cache.names()}
        return frozenset(kept)

    # Building --------------------------------------------------------------------------------------------------------

    def build_base(self, archive: str | None = None, name: str = BASE) -> Image:
        """Make the base image `name`: from a root file system or a `docker save` archive, else from this host.

        Raises `ImageError` for an archive that cannot be used (nothing is left of it), `NotFound` where it is missing.
        """
        from mydocker.engine.base import from_archive, from_this_host

        if archive is None:
            return from_this_host(self.images, name, self.reporter)
        return from_archive(self.images, archive, name)

    def build(self, request: BuildRequest) -> BuildResult:
        """Build images from a Dockerfile; see `mydocker.build.builder.build` for what it raises."""
        from mydocker.build.builder import build

        def find_base(name: str, platform: str) -> Base:
            return self.find_base(name, platform, request.pull)

        return build(request, self.images, find_base, self.reporter, int(time.time()), self._environ)

    def verify_reproducible(self, request: BuildRequest) -> Verified:
        """Build twice from scratch under varied conditions; see `mydocker.engine.verification.verify`."""
        from mydocker.engine.verification import verify

        return verify(self, request)

    def debug(self, failed: str = "", command: str = "", secrets: tuple[Secret, ...] = ()) -> int:
        """Run a shell, or a command in the stage's shell, where a step failed; return its exit status.

        `failed` is what `BuildFailed.kept` says ("": the last failure). The standard streams of this process become
        the shell's; secrets are given anew, because they are never kept. Raises `NotFound`.
        """
        from mydocker.build import debugging, failures

        with failures.held(self.layout, failed) as failure:
            self.reporter(Notice(f"[{failure.step.id}] {failure.step.text}: {failure.why}"))
            return debugging.enter(failure, self.images, self.reporter, debugging.Visit(command, secrets))

    def find_base(self, name: str, platform: str, pull: bool = False) -> Base:
        """Return the base image of a stage: made if it is `base`, fetched when it is missing or with `pull`."""
        from mydocker.build.plan import Base

        image = self.pull(name, platform) if pull and name != BASE else self.image(name, platform)
        return Base(image.config, image.layers, name)

    def image(self, name: str, platform: str = "") -> Image:
        """Return an image by its name or id; one that is not here is made (`base`) or fetched from its registry.

        A name without a version may mean the one version that there is. Raises `NotFound` saying why it cannot be had.
        """
        try:
            return self.images.resolve(name)
        except NotFound as missing:
            found = [each for each in self.images.images() if name in (ref.familiar_name for ref in each.references)]
            if len(found) == 1:
                return found[0]
            if name in (BASE, f"{BASE}:latest"):
                self.reporter(Notice(f"there is no image {BASE} yet: making it from this host"))
                return self.build_base()
            try:
                return self.pull(name, platform)
            except RegistryError as error:
                hint = "`mydocker images` lists the images that are here"
                raise NotFound(missing.what, f"and it cannot be pulled ({error})", hint) from error

    def pull(self, name: str, platform: str = "") -> Image:
        """Fetch an image from its registry, also when there is one of that name already."""
        from mydocker.image import platforms, registry
        from mydocker.image.reference import Reference

        wanted = platforms.parse(platform) if platform else None
        return registry.pull(self.images, Reference.parse(name), self._environ, platform=wanted)

    # Containers ------------------------------------------------------------------------------------------------------

    def create(self, request: RunRequest) -> Container:
        """Make a container without starting it; `engine.containers` starts it (`start`, `run_attached`, ...).

        The image `base` is made when it is asked for and not there yet.
        """
        from mydocker.creation.create import Rooms, create

        image = self.image(request.image)
        network = self._connection(request)
        if request.publish or request.publish_all:
            from mydocker.creation.create import local_network
            from mydocker.engine.publishing import with_ports

            network = network or local_network(self.containers, request)
            exposed = image.config.exposed_ports
            network = with_ports(network, request, exposed, f"{self.layout.root}/portmap", self.reporter)
        with self.images.holding():  # nobody takes the image's layers away before the container's record names them
            return create(Rooms(self.images, self.containers, self.volumes), image, request, network)

    def _connection(self, request: RunRequest) -> Network | None:
        """Return how a container is connected; None for what the making of containers knows itself."""
        if all(text in ("", "none", "host") or text.startswith(("container:", "/")) for text in request.networks):
            return None
        from mydocker.engine.networks import connection

        return connection(self.layout.networks, f"{self.layout.containers}/names", request)

    # Saving ----------------------------------------------------------------------------------------------------------

    def save_container(self, reference: str, output: str | None) -> None:
        """Write a container's root file system as a tar to the file `output` (None: standard output)."""
        from mydocker.engine.exporting import save_container

        save_container(self.containers, reference, output)

    def save_images(self, names: Sequence[str], output: str | None, form: str, compression: str = "") -> None:
        """Write images as an archive that other tools load: `form` is docker-archive or oci-archive."""
        self.images.save(1 if output is None else output, names, form=form, compression=compression)


_REQUESTS = {
    "BuildRequest": "mydocker.build.request",
    "NetworkRequest": "mydocker.engine.networks",
    "RunRequest": "mydocker.creation.request",
}


def __getattr__(name: str) -> Any:
    """Load what the engine takes when it is first asked for: `from mydocker.engine import RunRequest`."""
    if name not in _REQUESTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_REQUESTS[name]), name)
