"""Which variables an instruction sees (Dockerfile reference, "ARG", "ENV" and "Scope").

* ARGs before the first FROM are global: FROM sees them, and a stage gets one by naming it in an ARG without a default.
* In a stage a variable is known from its ARG or ENV on. ENV always wins over ARG, also over an earlier ENV's ARG.
* `--build-arg` replaces the default of an ARG, never an ENV.
* A stage that is based on another inherits the ENV and the ARGs declared there.
* The platform ARGs are global; the proxy ARGs are known to RUN without any ARG and are kept out of keys and history.
"""

from __future__ import annotations

from mydocker.values import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mydocker.dockerfile.instructions import Arg, Env

# Known to every RUN when given with --build-arg; they do not change what a step makes.
PROXY_ARGS = (
    "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "FTP_PROXY", "ftp_proxy", "NO_PROXY", "no_proxy",
    "ALL_PROXY", "all_proxy",
)  # fmt: skip

PLATFORM_ARGS = (
    "TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT",
    "BUILDPLATFORM", "BUILDOS", "BUILDARCH", "BUILDVARIANT",
)  # fmt: skip

# Read by the builder itself, so no ARG has to declare them.
BUILDER_ARGS = (
    "BUILDKIT_INLINE_CACHE", "BUILDKIT_MULTI_PLATFORM", "BUILDKIT_SANDBOX_HOSTNAME", "BUILDKIT_SYNTAX",
    "BUILDKIT_BUILD_NAME", "BUILDKIT_CACHE_MOUNT_NS", "BUILDKIT_CONTEXT_KEEP_GIT_DIR", "BUILDKIT_DOCKERFILE_CHECK",
    "SOURCE_DATE_EPOCH",
)  # fmt: skip


def platform_args(target: str, build: str, *, stage: str = "default") -> dict[str, str]:
    """Return the values of the platform ARGs for platforms like "linux/arm64/v8", and TARGETSTAGE."""
    values = {"TARGETSTAGE": stage}
    for prefix, platform in (("TARGET", target), ("BUILD", build)):
        os, architecture, variant = (*platform.split("/"), "", "")[:3]
        values[f"{prefix}PLATFORM"] = platform
        values[f"{prefix}OS"] = os
        values[f"{prefix}ARCH"] = architecture
        values[f"{prefix}VARIANT"] = variant
    return values


class Scope(NamedTuple):
    """The variables at one point of a file. A value: `declare` and `assign` return the scope after an instruction.

    `given` are the `--build-arg` values, `globals` what FROM sees, `args` and `env` what the stage has declared.
    """

    given: Mapping[str, str]
    globals: Mapping[str, str]
    args: Mapping[str, str]
    env: Mapping[str, str]
    declared: frozenset[str]

    @property
    def variables(self) -> dict[str, str]:
        """What `expand` sees: the ARGs that have a value, and over them the ENV."""
        return {**self.args, **self.env}

    def stage(self, env: Mapping[str, str], inherited: Scope | None = None) -> Scope:
        """Return the scope at a stage's start: its base's environment, and the ARGs of the stage it is based on."""
        args = inherited.args if inherited else {}
        declared = inherited.declared if inherited else frozenset()
        return Scope(self.given, self.globals, dict(args), dict(env), declared)

    def declare(self, arg: Arg) -> Scope:
        """Return the scope after an ARG of a stage, which must be expanded."""
        args = dict(self.args)
        for argument in arg.arguments:
            name = argument.name
            if name in self.given:
                args[name] = self.given[name]
            elif argument.default is not None:
                args[name] = argument.default
            elif name in self.globals:
                args[name] = self.globals[name]
        names = frozenset(argument.name for argument in arg.arguments)
        return self._replace(args=args, declared=self.declared | names)

    def declare_global(self, arg: Arg) -> Scope:
        """Return the scope after one expanded ARG before the first FROM."""
        known = dict(self.globals)
        for argument in arg.arguments:
            if argument.name in self.given:
                known[argument.name] = self.given[argument.name]
            elif argument.default is not None:
                known[argument.name] = argument.default
        names = frozenset(argument.name for argument in arg.arguments)
        return self._replace(globals=known, declared=self.declared | names)

    def assign(self, env: Env) -> Scope:
        """Return the scope after an ENV, which must be expanded."""
        return self._replace(env={**self.env, **{pair.key: pair.value for pair in env.pairs}})


def start(given: Mapping[str, str], platforms: Mapping[str, str]) -> Scope:
    """Return the scope at the top of a file: build arguments and the platform ARGs, nothing declared."""
    return Scope(
        dict(given), {**platforms, **{name: given[name] for name in platforms if name in given}}, {}, {}, frozenset()
    )
