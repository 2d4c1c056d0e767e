"""Where releases run: what pipeline.yaml says of an environment, and what a profile changes of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dawsos.model.policy import Strict

Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
PlatformName = Literal["local"]
ServiceName = Literal["postgres", "redis"]
Replicas = Annotated[int, Field(ge=1, le=16)]


class EnvironmentSettings(Strict):
    """One environment.  ``replicas`` is the number of processes that answer requests; ``env`` are the variables of all
    processes and commands of a release here, in which ``{NAME_PORT}`` is the port that a worker has."""

    platform: PlatformName = Field(default="local", description="What the environment runs on.")
    replicas: Replicas = Field(default=2, description="Processes of a release that answer requests.")
    services: tuple[ServiceName, ...] = Field(default=(), description="Started with the environment, kept by it.")
    env: dict[str, str] = Field(default_factory=dict, description="Variables of everything that runs here.")

    def changed_by(self, changes: EnvironmentChanges) -> EnvironmentSettings:
        """Return the settings with what a profile says of this environment: ``env`` is merged, other keys replace."""
        given = {key: value for key, value in changes if value is not None}
        if changes.env is not None:
            given["env"] = {**self.env, **changes.env}
        return self.model_copy(update=given)


class EnvironmentChanges(Strict):
    """What a profile changes of one environment: ``env`` is merged, other keys replace."""

    platform: PlatformName | None = None
    replicas: Replicas | None = None
    services: tuple[ServiceName, ...] | None = None
    env: dict[str, str] | None = None
