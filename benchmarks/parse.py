"""The Dockerfile language: how long a file of n lines takes, and a file that was parsed before.

    python -m benchmarks.parse [ROUNDS]

The text is a real-looking mix of instructions, continued lines, comments and here-documents. `dockerfile` and
`dockerfile-parse` from PyPI stand beside it where they are installed; both stop at words without types, and the first
is BuildKit's own parser, compiled from Go.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
from typing import TYPE_CHECKING

from benchmarks._harness import Contender, measure, report
from mydocker.dockerfile import parse, parse_cached, parse_syntax
from mydocker.dockerfile.lint import lint

if TYPE_CHECKING:
    from collections.abc import Callable

_STAGE = r"""
# compiles the service
FROM --platform=$BUILDPLATFORM golang:1.24 AS build{n}
ARG VERSION=1.0 TARGETOS TARGETARCH
WORKDIR /src
ENV CGO_ENABLED=0 GOFLAGS="-mod=readonly" PATH=$PATH:/src/bin
COPY --link go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod,id=mod-$TARGETARCH \
    --mount=type=bind,source=.,target=. \
    set -ex && go mod download \
    # keep the list
    && go build -o /out/service ./cmd/service
RUN <<EOF
set -e
echo "$VERSION" > /out/version
EOF
LABEL org.opencontainers.image.title="service" org.opencontainers.image.version=$VERSION
EXPOSE 8080/tcp
HEALTHCHECK --interval=30s CMD ["/out/service", "--check"]
ENTRYPOINT ["/out/service"]
"""
_LINES = 20


def text(lines: int) -> bytes:
    """Return a Dockerfile of about so many lines."""
    return "".join(_STAGE.replace("{n}", str(n)) for n in range(max(1, lines // _LINES))).encode()


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    thousand = text(1000)
    with tempfile.TemporaryDirectory() as directory:
        parse_cached(thousand, directory)
        contenders = [
            Contender("parse, typed", lambda: parse(thousand)),
            Contender("syntax tree", lambda: parse_syntax(thousand)),
            Contender("lint", lambda: lint(thousand)),
            Contender("cached, with lint", lambda: parse_cached(thousand, directory)),
            *_peers(thousand.decode()),
        ]
        report("1,000 lines", contenders, measure(contenders, rounds))
    sizes = (1_000, 10_000, 100_000)
    growing = [Contender(f"{size:,} lines", _parsing(text(size))) for size in sizes]
    report("growth: ten times the lines, ten times the time", growing, measure(growing, max(1, rounds // 2), warm_up=0))


def _parsing(content: bytes) -> Callable[[], object]:
    return lambda: parse(content)


def _peers(content: str) -> list[Contender]:
    return [
        Contender(
            "dockerfile (Go)",
            lambda: importlib.import_module("dockerfile").parse_string(content),
            why_not=_missing("dockerfile"),
        ),
        Contender(
            "dockerfile-parse",
            lambda: _dockerfile_parse(content),
            why_not=_missing("dockerfile_parse"),
        ),
    ]


def _missing(module: str) -> str:
    return "" if importlib.util.find_spec(module) else f"pip install {module.replace('_', '-')}"


def _dockerfile_parse(content: str) -> object:
    import io

    parser = importlib.import_module("dockerfile_parse").DockerfileParser(fileobj=io.BytesIO(content.encode()))
    return parser.structure


if __name__ == "__main__":
    main()
