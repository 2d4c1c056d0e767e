"""Builders of container images: one module each, one literal dict of them, in the order in which they are asked."""

from dawsos.adapters.builders.buildah import Buildah
from dawsos.adapters.builders.common import Builder
from dawsos.adapters.builders.docker import Docker

BUILDERS: dict[str, Builder] = {"docker": Docker(), "buildah": Buildah()}
