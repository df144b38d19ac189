"""Packs a directory into the layer of a fresh store and says what came out.

    packer.py TREE STORE EPOCH UMASK USER

Everything is loaded before this process becomes USER, who may not be able to read the interpreter's folder.
"""

from __future__ import annotations

import os
import sys

import mydocker.image.layers  # noqa: F401 (loaded here, used further in)
from mydocker.image.compression import compressor
from mydocker.image.layout import Layout
from mydocker.image.store import ImageStore


def main(tree: str, root: str, epoch: str, umask: str, user: str) -> None:
    os.umask(int(umask, 8))
    compressor()
    if int(user):
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    store = ImageStore(Layout.open(root))
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    layer = store.layers.pack_tree(fd, int(epoch))
    sys.stdout.write(f"{layer.diff_id} {layer.blob.digest}")


if __name__ == "__main__":
    main(*sys.argv[1:])
