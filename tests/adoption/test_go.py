"""The draft of a Go project."""

from __future__ import annotations

from dawsos.adoption.contract import Answers, Draft, Tree
from dawsos.adoption.go import draft
from dawsos.adoption.starter import pipeline_text
from dawsos.config.load import load_pipeline
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import gate_options

MAIN = 'package main\n\nfunc main() { listen(os.Getenv("PORT"), "/healthz", "/items") }\n'
MODULE = "module example.org/acme/Shop\n\ngo 1.21\n"


def made(files: dict[str, str] | None = None, app: str = "", module: str = MODULE) -> Draft:
    drafted = draft(
        Tree.of("folder", {"go.mod": module, **({"main.go": MAIN} if files is None else files)}), Answers(app=app)
    )
    assert drafted is not None
    return drafted


def pipeline(drafted: Draft) -> Pipeline:
    return load_pipeline(pipeline_text(drafted), "pipeline.yaml", gate_options())


def test_a_folder_without_a_module_is_none() -> None:
    assert draft(Tree.of("folder", {"main.go": MAIN}), Answers()) is None


def test_a_service_at_the_top() -> None:
    drafted = made()
    read = pipeline(drafted)
    assert (read.name, read.service.command, read.service.health) == ("shop", "./service", "/healthz")
    assert read.service.build is not None
    assert (read.service.build.run, read.service.build.folder) == ("go build -trimpath -o out/service .", "out")
    assert [stage.id for stage in read.stages] == ["lint", "secrets", "build", "staging", "canary"]
    assert drafted.missing == ()


def test_the_program_called_as_the_module_is_shipped_and_the_others_are_told() -> None:
    files = {f"cmd/{name}/main.go": MAIN for name in ("admin", "shop", "worker")}
    drafted = made(files, module="module example.org/shop\n")
    assert "go build -trimpath -o out/service ./cmd/shop" in "".join(drafted.service)
    assert any("3 packages are a program; cmd/shop is shipped" in line for line in drafted.missing)
    assert "./cmd/admin" in "".join(made(files, app="cmd/admin").service)


def test_a_library_ships_nothing() -> None:
    drafted = made({"shop.go": "package shop\n"})
    assert (drafted.service, drafted.missing) == ((), ())


def test_tests_and_packages_have_their_stages() -> None:
    drafted = made(
        {"main.go": MAIN, "main_test.go": "package main"}, module=f"{MODULE}\nrequire example.org/x v1.0.0\n"
    )
    assert drafted.ids == ("lint", "unit", "secrets", "sbom")
    assert any("go.sum" in line for line in drafted.missing)
    pipeline(drafted)


def test_a_service_that_does_not_listen_where_it_should_is_told() -> None:
    assert any("variable PORT" in line for line in made({"main.go": "package main\n"}).missing)
