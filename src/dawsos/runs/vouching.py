"""The images of a run: that its evidence is about them, and the signed summaries by which a cluster admits them.

evidence/image-NAME.vsa.json    "the release with this image passed", for the admission service of a cluster
"""

from __future__ import annotations

from dawsos.adapters.digests import tree_digests
from dawsos.adapters.files import read_json, write_text
from dawsos.errors import ReleaseFailed
from dawsos.model.run import Run
from dawsos.provenance import envelope as dsse
from dawsos.provenance import statements
from dawsos.runs.project import Tools


def must_be_shown(tools: Tools, run: Run) -> None:
    """Raise ReleaseFailed when an image of the run is not the one that the evidence of its build is about.

    The evidence itself was compared with its signed statement before.
    """
    for name, digest in run.images.items():
        file = f"image-{name}.json"
        shown = [stage for stage in run.stages.values() if file in stage.evidence]
        facts = [
            read_json(tools.project.run_folder(run.id) / statements.evidence_folder(stage) / file) or {}
            for stage in shown
        ]
        if not facts or any(set(one.get("digests") or ()) != {digest} for one in facts):
            raise ReleaseFailed(
                f"release {run.release[:12]} may not go to production: its image {name} ({digest[:19]}) is not the one that "
                f"{file} is about",
                fix="ship the commit again with --no-cache",
            )


def vouch(tools: Tools, run: Run, environment: str) -> None:
    """Sign for each image of a run that was admitted to ``environment`` that its release passed; once, and never again."""
    folder, signer = tools.project.evidence(run.id), tools.signer()
    given = {name: digest for name, digest in tree_digests(folder).items() if not name.endswith(_SUFFIX)}
    for name, digest in run.images.items():
        path = folder / f"image-{name}{_SUFFIX}"
        if not path.exists():
            told = statements.verified_image(run, (name, digest), environment, tools.clock.now(), given)
            write_text(path, dsse.sign(told, signer))


def vouched(tools: Tools, run: Run) -> dict[str, str]:
    """Return name -> signed summary of the images of the run, without those that nobody signed for."""
    paths = {name: tools.project.evidence(run.id) / f"image-{name}{_SUFFIX}" for name in run.images}
    return {name: path.read_text(encoding="utf-8") for name, path in paths.items() if path.is_file()}


_SUFFIX = ".vsa.json"
