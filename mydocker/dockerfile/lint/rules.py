"""The rules of lint: 22 build checks of BuildKit under their names, and those of hadolint that are worth the noise.

From hadolint come the rules that find real mistakes (a stage that is not there, a secret left in a layer's cache) or
waste that everybody pays for, and that can be decided from the file alone. Left out are the rules about pinning every
package version (DL3008, DL3013, DL3016, DL3018, ...: mirrors drop old versions, so obeying them breaks builds), matters
of taste (DL3059, DL4001), what the build checks say already (DL3000, DL3025, DL3024, DL4000, DL4003, DL4004), what is
refused as a mistake here (DL1000, DL3061), and ShellCheck, which is a tool of its own.
"""

from __future__ import annotations

from mydocker.dockerfile.lint.finding import ERROR, INFO, WARNING
from mydocker.values import NamedTuple

_DOCKER = "https://docs.docker.com/go/dockerfile/rule/"
_HADOLINT = "https://github.com/hadolint/hadolint/wiki/"


class Rule(NamedTuple):
    """One rule: `experimental` ones run only when the file or the caller asks for them."""

    name: str
    level: str
    summary: str
    experimental: bool = False

    @property
    def url(self) -> str:
        """The page that explains the rule."""
        if self.name.startswith("DL"):
            return _HADOLINT + self.name
        words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in self.name).lstrip("-")
        return f"{_DOCKER}{words.replace('j-s-o-n', 'json')}/"


_ALL = (
    Rule("StageNameCasing", WARNING, "stage names should be lower case"),
    Rule("FromAsCasing", WARNING, "AS should match the case of FROM"),
    Rule("NoEmptyContinuation", WARNING, "blank lines inside a continued instruction will become errors"),
    Rule("ConsistentInstructionCasing", WARNING, "all instructions should use the same case"),
    Rule("DuplicateStageName", WARNING, "stage names should be unique"),
    Rule("ReservedStageName", WARNING, "scratch and context should not name a stage"),
    Rule("JSONArgsRecommended", WARNING, "CMD and ENTRYPOINT should be JSON arrays, so that signals reach the program"),
    Rule("MaintainerDeprecated", WARNING, "MAINTAINER is deprecated, a label names the author"),
    Rule("UndefinedArgInFrom", WARNING, "FROM should use declared ARGs"),
    Rule("WorkdirRelativePath", WARNING, "the first WORKDIR of a stage should be absolute"),
    Rule("UndefinedVar", WARNING, "variables should be defined before their use"),
    Rule("MultipleInstructionsDisallowed", WARNING, "only the last CMD, ENTRYPOINT or HEALTHCHECK of a stage is used"),
    Rule("LegacyKeyValueFormat", WARNING, "ENV and LABEL should be written key=value"),
    Rule("InvalidBaseImagePlatform", WARNING, "the base image's platform should be the one that is built for"),
    Rule("RedundantTargetPlatform", WARNING, "--platform=$TARGETPLATFORM in FROM is the default"),
    Rule("SecretsUsedInArgOrEnv", WARNING, "secrets should not be in ARG or ENV"),
    Rule("InvalidDefaultArgInFrom", WARNING, "the defaults of ARGs should give FROM a valid image name"),
    Rule("FromPlatformFlagConstDisallowed", WARNING, "--platform in FROM should not be a constant"),
    Rule("CopyIgnoredFile", WARNING, "what is copied should not be excluded by the ignore file"),
    Rule("ExposeProtoCasing", WARNING, "protocols in EXPOSE should be lower case"),
    Rule("ExposeInvalidFormat", WARNING, "EXPOSE should not have an address or a host's port"),
    Rule(
        "InvalidDefinitionDescription",
        WARNING,
        "a comment before ARG or FROM should begin with the name",
        experimental=True,
    ),
    Rule("DL3002", WARNING, "the last USER should not be root"),
    Rule("DL3004", ERROR, "sudo behaves unpredictably in builds, USER is meant"),
    Rule("DL3006", WARNING, "a base image should have a tag"),
    Rule("DL3007", WARNING, "a base image's tag should not be latest"),
    Rule("DL3009", INFO, "apt-get's lists should be deleted in the same step"),
    Rule("DL3011", ERROR, "ports go from 0 to 65535"),
    Rule("DL3014", WARNING, "apt-get install should not ask (-y)"),
    Rule("DL3015", INFO, "apt-get install should leave out recommended packages"),
    Rule("DL3019", INFO, "apk add should not leave its cache behind (--no-cache)"),
    Rule("DL3020", ERROR, "local files should be copied with COPY"),
    Rule("DL3021", ERROR, "COPY of several sources needs a destination that ends in /"),
    Rule("DL3022", WARNING, "COPY --from should name a stage or an image"),
    Rule("DL3023", ERROR, "COPY --from cannot name its own stage"),
    Rule("DL3027", WARNING, "apt is for people, apt-get for scripts"),
    Rule("DL3042", WARNING, "pip should not leave its cache behind (--no-cache-dir)"),
    Rule("DL3044", ERROR, "ENV cannot use what it sets on the same line"),
    Rule("DL4006", WARNING, "a RUN with a pipe should set pipefail"),
)

RULES = {rule.name: rule for rule in _ALL}
