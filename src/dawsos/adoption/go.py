"""A Go project: its module and its main package, and the draft of its first pipeline.  Pure."""

from __future__ import annotations

import re

from dawsos.adoption.contract import Answers, Draft, Environment, Tree
from dawsos.adoption.python_metadata import pipeline_name
from dawsos.adoption.services import bill, pages_of, reads_port, secrets, stage

_PASSED = "pass_env: [HTTPS_PROXY, NO_PROXY, GOPROXY, GOFLAGS, GOCACHE, GOMODCACHE]"


def draft(tree: Tree, answers: Answers) -> Draft | None:
    """Return the draft of a Go project, None when it is none."""
    if not tree.has("go.mod"):
        return None
    module = re.search(r"^module\s+(\S+)", tree.text("go.mod"), re.MULTILINE)
    last = (module[1] if module else tree.name).strip('"').rpartition("/")[2]
    sources = [path for path in tree.named("*.go") if not path.endswith("_test.go") and not path.startswith("vendor/")]
    mains = sorted({_folder(path) for path in sources if re.search(r"^package main\b", tree.text(path), re.MULTILINE)})
    main = answers.app or next((one for one in mains if one in (".", f"cmd/{last}")), next(iter(mains), ""))
    pages = pages_of(tree, sources, answers)
    stages = _stages(tree)
    return Draft(
        kind="go",
        name=pipeline_name(last),
        found=(
            ("module", module[1] if module else "none"),
            ("main", main or "none: no package main"),
            ("tests", "go test" if tree.named("*_test.go") else "none"),
            *pages.found,
        ),
        ids=tuple(stages),
        stages=tuple(stages.values()),
        missing=_missing(tree, sources, main, mains),
        service=_service(main, pages.lines) if main else (),
        page=pages.users,
        builds=f", toolchain: go, {_PASSED}",
        toolchains=(Environment("go", "", programs=("go", "gofmt")),),
    )


def _folder(path: str) -> str:
    return path.rpartition("/")[0] or "."


def _service(main: str, pages: tuple[str, ...]) -> tuple[str, ...]:
    package = main if main == "." else f"./{main.removeprefix('./')}"
    return (
        "project: .",
        f'build: {{run: "go build -trimpath -o out/service {package}", folder: out}}',
        "command: ./service",
        *pages,
    )


def _stages(tree: Tree) -> dict[str, str]:
    steps = [
        '{name: gofmt, run: "found=$(gofmt -l .); echo $found; test -z \\"$found\\"", keep_going: true}',
        "{name: go vet, run: go vet ./...}",
    ]
    made = {"lint": stage("lint", "Lint", "go", steps, ["exit_status"], _PASSED)}
    if tree.named("*_test.go"):
        made["unit"] = stage(
            "unit", "Unit tests", "go", ["{name: go test, run: go test ./...}"], ["exit_status"], _PASSED
        )
    made["secrets"] = secrets()
    if re.search(r"^(require\s|\s+\S+\s+v\d)", tree.text("go.mod"), re.MULTILINE):
        made["sbom"] = bill("go.mod", "golang")
    return made


def _missing(tree: Tree, sources: list[str], main: str, mains: list[str]) -> tuple[str, ...]:
    lines = []
    if len(mains) > 1:
        lines.append(f"{len(mains)} packages are a program; {main} is shipped (dawsos init --app FOLDER for another)")
    if main and not reads_port(tree, sources):
        lines.append("nothing in the sources reads the variable PORT, which says where the service must listen")
    if re.search(r"^(require\s|\s+\S+\s+v\d)", tree.text("go.mod"), re.MULTILINE) and not tree.has("go.sum"):
        lines.append("no go.sum: go mod tidy writes it")
    return tuple(lines)
