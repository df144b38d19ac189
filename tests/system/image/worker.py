"""Does random things to a store until it is killed, and says what is done: `+name id`, `-name`; before it, `?name`."""

from __future__ import annotations

import os
import random
import sys

from mydocker.build.request import BuildRequest
from mydocker.engine import Engine
from mydocker.errors import NotFound
from mydocker.image.config import ImageConfig
from mydocker.image.reference import Reference


def main(root: str, archive: str, seed: int, rounds: int) -> None:
    rng = random.Random(seed)
    engine = Engine(root)
    say("ready")
    for _ in range(rounds):
        name = f"worker-{seed}-{rng.randrange(4)}"
        action = rng.choice((import_one, import_one, tag, untag, remove, prune, save_and_load, build))
        action(engine, archive, name, rng)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def import_one(engine: Engine, archive: str, name: str, rng: random.Random) -> None:
    reference = Reference.parse(name)
    say(f"?{reference.familiar}")
    image = engine.images.import_tar(archive, ImageConfig(author=str(rng.randrange(5))), reference)
    say(f"+{reference.familiar} {image.id}")


def build(engine: Engine, archive: str, name: str, rng: random.Random) -> None:
    """Build an image of the files in the archive's folder; some of its steps were built before, some were not."""
    reference = Reference.parse(name)
    arguments = {"SUBSET": str(rng.randrange(10)), "LABEL": str(rng.randrange(100))}
    context = os.path.dirname(archive)
    say(f"?{reference.familiar}")
    request = BuildRequest(context, f"{context}/Dockerfile", tags=(name,), build_args=arguments)
    say(f"+{reference.familiar} {engine.build(request).image.id}")


def tag(engine: Engine, archive: str, name: str, rng: random.Random) -> None:
    images = engine.images.images()
    if images:
        reference = Reference.parse(name)
        say(f"?{reference.familiar}")
        image = rng.choice(images)
        try:
            engine.images.tag(image, reference)
        except NotFound:
            return
        say(f"+{reference.familiar} {image.id}")


def untag(engine: Engine, archive: str, name: str, rng: random.Random) -> None:
    reference = Reference.parse(name)
    say(f"?{reference.familiar}")
    try:
        engine.images.untag(reference)
    except NotFound:
        return
    say(f"-{reference.familiar}")


def remove(engine: Engine, archive: str, name: str, rng: random.Random) -> None:
    """Remove an image whose names are all this worker's, or have none: those of others they count on."""
    own = name.rpartition("-")[0]
    images = [
        image
        for image in engine.images.images()
        if all(each.familiar_name.startswith(own) for each in image.references)
    ]
    if images:
        image = rng.choice(images)
        for reference in image.references:
            say(f"?{reference.familiar}")
        if not any(not each.familiar_name.startswith(own) for each in engine.images.resolve(image.id).references):
            for reference in image.references:
                engine.images.untag(reference)
        for reference in image.references:
            say(f"-{reference.familiar}")


def prune(engine: Engine, archive: str, name: str, rng: random.Random) -> None:
    engine.images.prune([image for image in engine.images.images() if not image.references and rng.random() < 0.5])


def save_and_load(engine: Engine, archive: str, name: str, rng: random.Random) -> None:
    reference = Reference.parse(name)
    try:
        image = engine.images.resolve(name)
    except NotFound:
        return
    with engine.images.layout.workspace("test") as place:
        engine.images.save(f"{place}/image.tar", [name])
        say(f"?{reference.familiar}")
        engine.images.load(f"{place}/image.tar")
        say(f"+{reference.familiar} {image.id}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
