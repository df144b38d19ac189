"""Does random things to a store until it is killed, and says what is done: `+name id`, `-name`; before it, `?name`."""

from __future__ import annotations

import random
import sys

from mydocker.errors import NotFound
from mydocker.image.config import ImageConfig
from mydocker.image.layout import Layout
from mydocker.image.reference import Reference
from mydocker.image.store import ImageStore


def main(root: str, archive: str, seed: int, rounds: int) -> None:
    rng = random.Random(seed)
    store = ImageStore(Layout.open(root))
    say("ready")
    for _ in range(rounds):
        name = f"worker-{seed}-{rng.randrange(4)}"
        action = rng.choice((import_one, import_one, tag, untag, remove, prune, save_and_load))
        action(store, archive, name, rng)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def import_one(store: ImageStore, archive: str, name: str, rng: random.Random) -> None:
    reference = Reference.parse(name)
    say(f"?{reference.familiar}")
    image = store.import_tar(archive, ImageConfig(author=str(rng.randrange(5))), reference)
    say(f"+{reference.familiar} {image.id}")


def tag(store: ImageStore, archive: str, name: str, rng: random.Random) -> None:
    images = store.images()
    if images:
        reference = Reference.parse(name)
        say(f"?{reference.familiar}")
        image = rng.choice(images)
        try:
            store.tag(image, reference)
        except NotFound:
            return
        say(f"+{reference.familiar} {image.id}")


def untag(store: ImageStore, archive: str, name: str, rng: random.Random) -> None:
    reference = Reference.parse(name)
    say(f"?{reference.familiar}")
    try:
        store.untag(reference)
    except NotFound:
        return
    say(f"-{reference.familiar}")


def remove(store: ImageStore, archive: str, name: str, rng: random.Random) -> None:
    """Remove an image whose names are all this worker's, or have none: those of others they count on."""
    own = name.rpartition("-")[0]
    images = [image for image in store.images() if all(each.familiar_name.startswith(own) for each in image.references)]
    if images:
        image = rng.choice(images)
        for reference in image.references:
            say(f"?{reference.familiar}")
        if not any(not each.familiar_name.startswith(own) for each in store.resolve(image.id).references):
            for reference in image.references:
                store.untag(reference)
        for reference in image.references:
            say(f"-{reference.familiar}")


def prune(store: ImageStore, archive: str, name: str, rng: random.Random) -> None:
    store.prune([image for image in store.images() if not image.references and rng.random() < 0.5])


def save_and_load(store: ImageStore, archive: str, name: str, rng: random.Random) -> None:
    reference = Reference.parse(name)
    try:
        image = store.resolve(name)
    except NotFound:
        return
    with store.layout.workspace("test") as place:
        store.save(f"{place}/image.tar", [name])
        say(f"?{reference.familiar}")
        store.load(f"{place}/image.tar")
        say(f"+{reference.familiar} {image.id}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
