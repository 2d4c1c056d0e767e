"""A Java project, with Maven or with javac alone: its main class or archive, and the draft of its first pipeline.  Pure."""

from __future__ import annotations

import re

from dawsos.adoption.contract import Answers, Draft, Environment, Tree
from dawsos.adoption.python_metadata import pipeline_name
from dawsos.adoption.services import Pages, pages_of, secrets, stage

_MAIN = re.compile(r"static\s+(?:final\s+)?void\s+main\s*\(|static\s+void\s+main\s*\(")
_PASSED = "pass_env: [HTTPS_PROXY, NO_PROXY, MAVEN_OPTS, MAVEN_ARGS]"
_GRADLE = "Gradle is not known to dawsos init: write service.build, such as {run: ./gradlew installDist, folder: build/install/X}"


def draft(tree: Tree, answers: Answers) -> Draft | None:
    """Return the draft of a Java project, None when it is none."""
    sources = [path for path in tree.named("*.java") if "/test/" not in f"/{path}" and "/tests/" not in f"/{path}"]
    if not sources and not tree.has("pom.xml"):
        return None
    maven, gradle = tree.has("pom.xml"), bool(tree.first("build.gradle", "build.gradle.kts"))
    classes = [_class(tree, path) for path in sources if _MAIN.search(tree.text(path))]
    main = answers.app or next(iter(classes), "")
    pages, port = pages_of(tree, sources, answers), _port(tree, sources)
    ships = bool(main) and not gradle
    stages = _stages(maven=maven, tests=bool(tree.named("src/test/**/*.java") or tree.named("*Test.java")))
    return Draft(
        kind="java",
        name=pipeline_name(_artifact(tree.text("pom.xml")) if maven else tree.name),
        found=(
            ("build", "Maven" if maven else "Gradle" if gradle else "javac"),
            ("main", main or "none: no class has a main method"),
            *pages.found,
        ),
        ids=tuple(stages),
        stages=tuple(stages.values()),
        missing=_missing(gradle=gradle, port=port, ships=ships),
        service=_service(sources, main, port, pages, maven=maven) if ships else (),
        page=pages.users,
        builds=f", toolchain: java, {_PASSED}" if maven else ", toolchain: java",
        toolchains=(Environment("java", "", programs=("java", "mvn") if maven else ("java", "javac")),),
    )


def _class(tree: Tree, path: str) -> str:
    package = re.search(r"^\s*package\s+([\w.]+)\s*;", tree.text(path), re.MULTILINE)
    name = path.rpartition("/")[2].removesuffix(".java")
    return f"{package[1]}.{name}" if package else name


def _artifact(pom: str) -> str:
    own = re.sub(r"<(parent|dependencies|dependencyManagement|build|profiles)>.*?</\1>", "", pom, flags=re.DOTALL)
    found = re.search(r"<artifactId>\s*([^<\s]+)\s*</artifactId>", own)
    return found[1] if found else "service"


def _port(tree: Tree, sources: list[str]) -> str:
    """Return how the program is told where to listen: ``env``, an option of the virtual machine or the program, or an empty text."""
    texts = "\n".join(tree.text(path) for path in sources)
    if re.search(r"""getenv\(\s*"PORT"|getenv\(\)\.\w+\(\s*"PORT\"""", texts) or "${PORT" in tree.text(
        "src/main/resources/application.properties"
    ):
        return "env"
    named = re.search(r"""(?:getInteger|getProperty)\(\s*"([\w.]*port)\"""", texts, re.IGNORECASE)
    if named:
        return f"-D{named[1]}=$PORT"
    return "--server.port=$PORT" if "spring-boot" in tree.text("pom.xml") else ""


def _service(sources: list[str], main: str, port: str, pages: Pages, *, maven: bool) -> tuple[str, ...]:
    option, argument = (f"{port} " if port.startswith("-D") else ""), (f" {port}" if port.startswith("--") else "")
    if maven:
        build = "mvn -q -B -DskipTests package && mkdir out && "
        build += "cp $(ls target/*.jar | grep -v -e sources -e javadoc | head -1) out/service.jar"
        command = f"java {option}-jar service.jar{argument}"
    else:
        build, command = f"javac -d out {_listed(sources)}", f"java {option}{main}{argument}"
    shell = ("shell: true",) if port.startswith("-") else ()
    return ("project: .", f'build: {{run: "{build}", folder: out}}', f'command: "{command}"', *shell, *pages.lines)


def _listed(sources: list[str]) -> str:
    folders = sorted({path.rpartition("/")[0] for path in sources})
    if len(folders) == 1:
        return f"{folders[0]}/*.java" if folders[0] else "*.java"
    return "$(find . -name '*.java' -not -path '*/test/*')"


def _stages(*, maven: bool, tests: bool) -> dict[str, str]:
    made = {}
    if maven and tests:
        step = "{name: tests, run: mvn -q -B test, judged_exits: [1], keep_going: true}"
        copy = "{name: reports, run: cp target/surefire-reports/*.xml $ARTIFACTS/}"
        gates = ["{kind: junit, reports: TEST-*.xml}", "exit_status"]
        made["unit"] = stage("unit", "Unit tests", "java", [step, copy], gates, _PASSED)
    return {**made, "secrets": secrets()}


def _missing(*, gradle: bool, port: str, ships: bool) -> tuple[str, ...]:
    lines = [_GRADLE] if gradle else []
    if ships and not port:
        lines.append("nothing in the sources reads the variable PORT, which says where the service must listen")
    return tuple(lines)
