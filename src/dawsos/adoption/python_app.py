"""The web application of a Python project: which object it is, what serves it, and which pages it may have.  Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from dawsos.adoption.contract import Tree
from dawsos.adoption.python_facts import App, Interface
from dawsos.errors import BadInput

# The class that an application is made of -> (top package from which it is imported, interface).
_CLASSES: dict[str, tuple[str, Interface]] = {
    "FastAPI": ("fastapi", "asgi"), "Starlette": ("starlette", "asgi"), "Litestar": ("litestar", "asgi"), "Quart": ("quart", "asgi"),
    "Flask": ("flask", "wsgi"), "Bottle": ("bottle", "wsgi"), "App": ("falcon", "wsgi"),
}  # fmt: skip
_FACTORIES = re.compile(r"(create|make|build|get)_(app|application)|app_factory")
_PAGE = re.compile(
    r"/?((?:[\w-]+/)*(?:health|healthz|health-check|healthcheck|ready|readyz|live|livez|ping|status|heartbeat))/?"
)
_NOT_CODE = {"tests", "test", "docs", "doc", "examples", "example", "scripts", "benchmarks", "build", "dist"}
_SETTINGS = re.compile(r"""DJANGO_SETTINGS_MODULE['"]\s*,\s*['"]([\w.]+)['"]""")


def find_app(tree: Tree, chosen: str = "") -> App | None:
    """Return the application, None when the project has none; raises BadInput when it has several and ``chosen`` names none."""
    if chosen == "none":
        return None
    found = {one.target: one for one in _django(tree) or _apps(tree)}
    if chosen:
        if chosen not in found:
            there = f"there are {', '.join(found)}" if found else "no application was found"
            raise BadInput(f"--app {chosen}: {there}", fix="name one as module:object, or none")
        return found[chosen]
    if len(found) > 1:
        raise BadInput(
            f"several objects may be the service's application: {', '.join(found)}",
            fix=f"dawsos init --app {next(iter(found))}, or --app none when nothing is to be shipped",
        )
    return next(iter(found.values()), None)


def pages(tree: Tree) -> tuple[str, ...]:
    """Return pages that may tell whether the service is healthy: those whose names say so, and the first page."""
    found = [
        f"/{match[1]}{'/' if text.endswith('/') else ''}"
        for path in _code(tree)
        for text in _strings(_parsed(tree, path))
        if (match := _PAGE.fullmatch(text))
    ]
    return tuple(dict.fromkeys([*sorted(found, key=_rank), "/"]))


def django_settings(tree: Tree) -> str:
    """Return the settings module that ``manage.py`` names, an empty text without one."""
    match = _SETTINGS.search(tree.text("manage.py"))
    return match[1] if match else ""


def _rank(page: str) -> tuple[bool, int, str]:
    return ("health" not in page, page.count("/"), page)


def _django(tree: Tree) -> list[App]:
    package = django_settings(tree).partition(".")[0]
    if not package:
        return []
    wsgi, asgi = f"{package}/wsgi.py", f"{package}/asgi.py"
    if tree.has(wsgi):
        return [App(f"{package}.wsgi:application", "wsgi")]
    return [App(f"{package}.asgi:application", "asgi")] if tree.has(asgi) else []


def _apps(tree: Tree) -> Iterator[App]:
    for path in _code(tree):
        module = _parsed(tree, path)
        name = ".".join(PurePosixPath(path).with_suffix("").parts)
        name = re.sub(r"^(src|lib)\.", "", name).removesuffix(".__init__")
        if path.endswith("__main__.py") and "PORT" in _strings(module):
            yield App(name.removesuffix(".__main__"), "itself")
            continue
        imported = _imported(module)
        for node in module.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and (kind := _made(node.value, imported)):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                if isinstance(target, ast.Name):
                    yield App(f"{name}:{target.id}", kind)
            if isinstance(node, ast.FunctionDef) and _FACTORIES.fullmatch(node.name) and _callable_alone(node):
                kinds = [kind for inner in ast.walk(node) if (kind := _made(inner, imported))]
                if kinds:
                    yield App(f"{name}:{node.name}", kinds[0], factory=True)


def _callable_alone(node: ast.FunctionDef) -> bool:
    """Return whether the function can be called without arguments, as a server does."""
    return (
        len(node.args.args) + len(node.args.posonlyargs) == len(node.args.defaults)
        and None not in node.args.kw_defaults
    )


def _made(node: ast.AST | None, imported: set[str]) -> Interface | None:
    if not isinstance(node, ast.Call):
        return None
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    package, kind = _CLASSES.get(called, ("", "wsgi"))
    return kind if package in imported else None


def _imported(module: ast.Module) -> set[str]:
    """Return the top packages that a module imports from anywhere."""
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _code(tree: Tree) -> list[str]:
    """Return the modules that may belong to the service."""
    return [
        path
        for path in tree.paths
        if path.endswith(".py")
        and not _NOT_CODE & {*PurePosixPath(path).parts[:-1]}
        and not PurePosixPath(path).name.startswith("test")
    ]


def _parsed(tree: Tree, path: str) -> ast.Module:
    """Return the syntax tree of a file; of one that is no Python, which the linter tells, an empty one."""
    try:
        return ast.parse(tree.text(path))
    except (SyntaxError, ValueError, BadInput, RecursionError):
        return ast.Module([], [])


def _strings(module: ast.Module) -> list[str]:
    return [node.value for node in ast.walk(module) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
