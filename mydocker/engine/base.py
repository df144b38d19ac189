"""The base image: from an archive that somebody made, or from this host's own programs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from mydocker.build.base import PATH, make_rootfs
from mydocker.build.plan import default_platform
from mydocker.events import Notice
from mydocker.image.config import History, ImageConfig, timestamp
from mydocker.image.members import opened
from mydocker.image.reference import Reference

if TYPE_CHECKING:
    from mydocker.events import Reporter
    from mydocker.image.image import Image
    from mydocker.image.store import ImageStore


def from_this_host(store: ImageStore, name: str, reporter: Reporter) -> Image:
    """Make the image `name` from the host's static busybox, or from a set of its programs; no download, no archive."""
    reference = Reference.parse(name)
    with store.holding(), store.layout.workspace("base") as place:
        root = Path(place, "rootfs")
        root.mkdir(mode=0o755)
        origin = make_rootfs(root)
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            layer = store.layers.pack_tree(fd, 0)
        finally:
            os.close(fd)
        config = _config("mydocker buildBase")._replace(diff_ids=(layer.diff_id,))
        image = store.add(config, (layer,), (reference,), built=int(time.time()))
    reporter(Notice(f"made the image {reference.familiar_name} from {origin}"))
    return image


def from_archive(store: ImageStore, path: str, name: str) -> Image:
    """Make the image `name` from a root file system tar (one layer, its very bytes) or a `docker save` archive."""
    reference = Reference.parse(name)
    with opened(store.layout, path, store.limits) as members:
        has_images = any(members.has(each) for each in ("manifest.json", "oci-layout"))
    if has_images:
        image = store.load(path)[-1]
        store.tag(image, reference)
        return store.resolve(name)
    return store.import_tar(path, _config("mydocker buildBase FILE"), reference, built=int(time.time()))


def _config(created_by: str) -> ImageConfig:
    os_name, architecture, variant = [*default_platform().split("/"), ""][:3]
    return ImageConfig(
        architecture=architecture,
        os=os_name,
        variant=variant,
        created=timestamp(0),
        env=(f"PATH={PATH}",),
        cmd=("sh",),
        history=(History(created_by, timestamp(0), comment="mydocker"),),
    )
