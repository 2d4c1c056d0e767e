"""The settings of an environment on Kubernetes, beside those that every platform has."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dawsos.model.policy import Strict

KubernetesName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]{0,51}[a-z0-9])?$")]
GatewayKind = Literal["contour", "traefik", "istio", "envoy-gateway", "pods"]
Driver = Literal["dawsos", "flagger"]


class Gateway(Strict):
    """Where the numbers of the traffic come from: the pods of the gateway.

    What is left out is what a usual installation of this kind has.  ``reach`` is how a pod's page is asked: ``api`` through the
    API server, which works from everywhere, or ``direct`` at the pod's address, from within the cluster's network.
    """

    kind: GatewayKind = Field(default="contour", description="Whose statistics are read.")
    namespace: KubernetesName | None = Field(default=None, description="Where the pods of the gateway run.")
    selector: dict[str, str] = Field(default_factory=dict, description="Labels of the pods of the gateway.")
    port: int | None = Field(default=None, ge=1, le=65535, description="On which the statistics are served.")
    path: str | None = Field(default=None, pattern=r"^/", description="The page with the statistics.")
    reach: Literal["api", "direct"] = Field(default="api", description="How a pod's page is asked.")


class InCluster(Strict):
    """The Job that conducts a rollout for ``dawsos ship --in-cluster``."""

    image: str = Field(
        min_length=1, description="The tool's image, with git, helm and kubectl: REPOSITORY@DIGEST or a tag."
    )
    service_account: KubernetesName = Field(default="dawsos", description="Whose rights the Job has.")
    secret: KubernetesName = Field(
        default="dawsos-conductor",
        description="A Secret of yours whose keys are variables of the Job: DAWSOS_SIGNING_KEY, a private key of its own.",
    )


class Delivery(Strict):
    """How images get to the cluster: pushed to a registry, or read by a command that gives them to the nodes."""

    registry: str | None = Field(
        default=None, min_length=1, description="HOST/PATH; each image gets its name and digest there."
    )
    import_: str | None = Field(
        default=None, min_length=1, alias="import", description="A command that reads an OCI archive on standard input."
    )

    signed: bool = Field(
        default=False,
        description="Each image comes with a signed statement that its release passed, for the admission service.",
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.registry is None) == (self.import_ is None):
            raise ValueError("name one of the two: registry, or import")
        return self
