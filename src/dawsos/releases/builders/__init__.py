"""Builders of container images: one module each, one literal dict of them, in the order of preference."""

from dawsos.releases.builders.buildah import Buildah
from dawsos.releases.builders.common import Builder
from dawsos.releases.builders.docker import Docker

BUILDERS: dict[str, Builder] = {"docker": Docker(), "buildah": Buildah()}
