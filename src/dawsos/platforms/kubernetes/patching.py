"""Changes an object by JSON Patch, again when somebody else changed it meanwhile."""

from __future__ import annotations

from collections.abc import Callable

from dawsos.adapters.kubernetes import ApiError, Cluster, Object
from dawsos.errors import InfrastructureError

_TRIES = 8
# A ``test`` that does not hold, and a version that is an old one.
_CONFLICTS = (409, 422)


async def patched(cluster: Cluster, path: str, patch_of: Callable[[Object | None], list[Object]]) -> None:
    """Carry out what ``patch_of`` returns for the object as it is (None: there is none); an empty patch ends it.

    Raises ApiError for a refusal that is no conflict, and InfrastructureError when the object changes too often.
    """
    for _ in range(_TRIES):
        patch = patch_of(await cluster.find(path))
        if not patch:
            return
        try:
            await cluster.patch(path, patch, "json")
        except ApiError as error:
            if error.status not in _CONFLICTS:
                raise
        else:
            return
    kind, name = path.split("/")[-2:]
    raise InfrastructureError(
        f"{name} of {kind} changes too often: {_TRIES} patches met another change",
        fix=f"see who changes it: kubectl get {kind} {name} -w --show-managed-fields -o yaml",
    )
