"""ImageConfig: what an image says about running it (OCI image-spec, config.md, with Docker's extensions).

Docker adds Healthcheck, OnBuild, Shell and ArgsEscaped. A foreign config is stored as the bytes it came in; this is a
typed view of it. A config of our own is `encode`d canonically, so equal configs have equal digests.
"""

from __future__ import annotations

import time

from mydocker.errors import ImageError
from mydocker.image import documents
from mydocker.image.digest import DiffID
from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self


class Healthcheck(NamedTuple):
    """How to ask a container whether it is well. Durations in nanoseconds, 0: inherit the default."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class History(NamedTuple):
    """One step of how an image came to be; `empty_layer` when it made no layer."""

    created_by: str = ""
    created: str = ""
    author: str = ""
    comment: str = ""
    empty_layer: bool = False


class ImageConfig(NamedTuple):
    """An image's config. Empty means the same as missing; `created` is RFC 3339; ports read like `80/tcp`."""

    architecture: str = ""
    os: str = "linux"
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()
    created: str = ""
    author: str = ""
    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = {}
    stop_signal: str = ""
    args_escaped: bool = False
    healthcheck: Healthcheck | None = None
    onbuild: tuple[str, ...] = ()
    shell: tuple[str, ...] = ()
    diff_ids: tuple[DiffID, ...] = ()
    history: tuple[History, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Return the config in `data`; raise `ImageError` where it is not one."""
        top = documents.parse_object(data, "an image's config")
        inner = documents.child(top, "config")
        rootfs = documents.child(top, "rootfs")
        if documents.text(rootfs, "type", "layers") != "layers":
            raise ImageError("read an image's config", "rootfs.type is not 'layers'")
        return cls(
            architecture=documents.text(top, "architecture"),
            os=documents.text(top, "os", "linux"),
            variant=documents.text(top, "variant"),
            os_version=documents.text(top, "os.version"),
            os_features=documents.texts(top, "os.features"),
            created=documents.text(top, "created"),
            author=documents.text(top, "author"),
            user=documents.text(inner, "User"),
            exposed_ports=tuple(sorted(documents.child(inner, "ExposedPorts"))),
            env=documents.texts(inner, "Env"),
            entrypoint=documents.texts(inner, "Entrypoint"),
            cmd=documents.texts(inner, "Cmd"),
            volumes=tuple(sorted(documents.child(inner, "Volumes"))),
            working_dir=documents.text(inner, "WorkingDir"),
            labels=documents.text_map(inner, "Labels"),
            stop_signal=documents.text(inner, "StopSignal"),
            args_escaped=documents.flag(inner, "ArgsEscaped"),
            healthcheck=_parse_healthcheck(inner),
            onbuild=documents.texts(inner, "OnBuild"),
            shell=documents.texts(inner, "Shell"),
            diff_ids=tuple(DiffID.parse(each) for each in documents.texts(rootfs, "diff_ids")),
            history=tuple(_parse_history(each) for each in documents.children(top, "history")),
        )

    def encode(self) -> bytes:
        """Return the canonical JSON of this config: sorted keys, nothing empty, so equal configs give equal bytes."""
        inner: documents.Object = {
            "User": self.user,
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "Env": list(self.env),
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "Volumes": {volume: {} for volume in self.volumes},
            "WorkingDir": self.working_dir,
            "Labels": dict(self.labels),
            "StopSignal": self.stop_signal,
            "ArgsEscaped": self.args_escaped,
            "Healthcheck": _healthcheck_object(self.healthcheck),
            "OnBuild": list(self.onbuild),
            "Shell": list(self.shell),
        }
        top: documents.Object = {
            "os.version": self.os_version,
            "os.features": list(self.os_features),
            "variant": self.variant,
            "created": self.created,
            "author": self.author,
            "config": _without_empty(inner),
            "history": [_history_object(each) for each in self.history],
        }
        required: documents.Object = {
            "architecture": self.architecture,
            "os": self.os,
            "rootfs": {"type": "layers", "diff_ids": list(self.diff_ids)},
        }
        return documents.encode(_without_empty(top) | required)

    @property
    def created_seconds(self) -> int:
        """`created` in whole seconds since 1970; 0 when missing, unreadable or earlier."""
        if not self.created:
            return 0
        from datetime import datetime

        try:
            return max(0, int(datetime.fromisoformat(self.created).timestamp()))
        except (ValueError, OverflowError):
            return 0


def timestamp(seconds: int) -> str:
    """Return `seconds` since 1970 as configs write times: RFC 3339 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _parse_healthcheck(inner: documents.Object) -> Healthcheck | None:
    found = documents.child(inner, "Healthcheck")
    if not found:
        return None
    return Healthcheck(
        test=documents.texts(found, "Test"),
        interval=documents.number(found, "Interval"),
        timeout=documents.number(found, "Timeout"),
        start_period=documents.number(found, "StartPeriod"),
        start_interval=documents.number(found, "StartInterval"),
        retries=documents.number(found, "Retries"),
    )


def _healthcheck_object(check: Healthcheck | None) -> documents.Object:
    if check is None:
        return {}
    return _without_empty(
        {
            "Test": list(check.test),
            "Interval": check.interval,
            "Timeout": check.timeout,
            "StartPeriod": check.start_period,
            "StartInterval": check.start_interval,
            "Retries": check.retries,
        }
    )


def _parse_history(found: documents.Object) -> History:
    return History(
        created_by=documents.text(found, "created_by"),
        created=documents.text(found, "created"),
        author=documents.text(found, "author"),
        comment=documents.text(found, "comment"),
        empty_layer=documents.flag(found, "empty_layer"),
    )


def _history_object(step: History) -> documents.Object:
    return _without_empty(dict(step._asdict()))


def _without_empty(found: documents.Object) -> documents.Object:
    return {key: value for key, value in found.items() if value}
