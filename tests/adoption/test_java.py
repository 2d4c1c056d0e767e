"""The draft of a Java project, with Maven and without."""

from __future__ import annotations

from dawsos.adoption.contract import Answers, Draft, Tree
from dawsos.adoption.java import draft
from dawsos.adoption.starter import pipeline_text
from dawsos.config.load import load_pipeline
from dawsos.model.pipeline import Pipeline
from dawsos.runs.project import gate_options

MAIN = 'package acme;\nclass Shop { public static void main(String[] a) { on(System.getenv("PORT"), "/health", "/items"); } }\n'
POM = """<project><parent><artifactId>parent</artifactId></parent>
<artifactId>Till</artifactId><dependencies><dependency><artifactId>x</artifactId></dependency></dependencies></project>"""


def made(files: dict[str, str]) -> Draft:
    drafted = draft(Tree.of("folder", files), Answers())
    assert drafted is not None
    return drafted


def pipeline(drafted: Draft) -> Pipeline:
    return load_pipeline(pipeline_text(drafted), "pipeline.yaml", gate_options())


def test_a_folder_without_java_is_none() -> None:
    assert draft(Tree.of("folder", {"main.go": ""}), Answers()) is None


def test_a_service_of_javac() -> None:
    drafted = made({"src/Shop.java": MAIN})
    read = pipeline(drafted)
    assert (read.name, read.service.command, read.service.shell) == ("folder", "java acme.Shop", False)
    assert read.toolchains["java"].programs == ("java", "javac")
    assert read.service.build is not None
    assert (read.service.build.run, read.service.build.folder) == ("javac -d out src/*.java", "out")
    assert drafted.missing == ()


def test_sources_in_several_folders_are_all_compiled() -> None:
    built = pipeline(made({"a/Shop.java": MAIN, "b/Item.java": "class Item {}", "c/test/Shop.java": ""})).service.build
    assert built is not None
    assert built.run == "javac -d out $(find . -name '*.java' -not -path '*/test/*')"


def test_a_port_that_is_an_option_comes_from_the_variable_by_a_shell() -> None:
    service = pipeline(made({"src/Shop.java": MAIN.replace('getenv("PORT")', 'getProperty("shop.port")')})).service
    assert (service.command, service.shell) == ("java -Dshop.port=$PORT acme.Shop", True)


def test_maven_makes_one_archive() -> None:
    drafted = made({"pom.xml": POM, "src/main/java/acme/Shop.java": MAIN, "src/test/java/acme/ShopTest.java": ""})
    read = pipeline(drafted)
    assert (read.name, read.service.command) == ("till", "java -jar service.jar")
    assert read.toolchains["java"].programs == ("java", "mvn")
    assert [stage.id for stage in read.stages] == ["unit", "secrets", "build", "staging", "canary"]
    assert [gate.kind for gate in read.stage("unit").gates] == ["junit", "exit_status"]


def test_spring_boot_takes_its_port_as_an_argument() -> None:
    pom = POM.replace(">x<", ">spring-boot-starter-web<")
    service = pipeline(made({"pom.xml": pom, "src/main/java/Shop.java": MAIN.replace("PORT", "X")})).service
    assert (service.command, service.shell) == ("java -jar service.jar --server.port=$PORT", True)


def test_what_is_not_known_is_told() -> None:
    gradle = made({"build.gradle.kts": "", "src/main/java/Shop.java": MAIN})
    assert gradle.service == ()
    assert any("Gradle" in line for line in gradle.missing)
    deaf = made({"src/Shop.java": MAIN.replace("PORT", "X")})
    assert any("variable PORT" in line for line in deaf.missing)
    assert made({"src/Shop.java": "class Shop {}"}).service == ()
