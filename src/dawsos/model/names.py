"""Names: of packages as an index compares them, of deployments, and the nearest known name to a misspelt one."""

from __future__ import annotations

import re
from collections.abc import Iterable


def canonical_package(name: str) -> str:
    """Return a package's name as the index compares it (PEP 503): ``Typing_Extensions`` is ``typing-extensions``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def deployment_id(release: str, run: str, *, drill: bool = False) -> str:
    """Return the id under which ``run`` deploys the release with the digest ``release``.

    A drill's deployment has a name of its own, so that it is never taken for one that serves.
    """
    return f"{release[:8]}-{run[-9:]}" + ("-drill" if drill else "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest of ``known``, an empty text when none is near."""
    # Imported here: only a misspelt name needs it, and every start would pay for it.
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


# The key in the ConfigMap with the signed statement about an image.
STATEMENT_KEY = "statement.json"


def statement_name(digest: str) -> str:
    """Return the name of the ConfigMap with the signed statement about the image ``digest``."""
    return f"dawsos-statement-{digest.removeprefix('sha256:')}"


# A request with the first header asks which deployment answers; a proxy of this tool tells it in the second.
TELL, TOLD = "x-dawsos-tell", "x-dawsos-deployment"
# A request with this header is answered by the proxy itself: its listener takes connections and its routes are loaded.
READY = "x-dawsos-ready"
