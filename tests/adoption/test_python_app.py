"""The application of a service is found by reading: of each framework, in each of the forms in which people write it."""

from __future__ import annotations

import pytest

from dawsos.adoption.contract import Tree
from dawsos.adoption.python_app import django_settings, find_app, pages
from dawsos.adoption.python_facts import App
from dawsos.errors import BadInput

FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
FLASK = "import flask\nserver: flask.Flask = flask.Flask(__name__)\n"
FACTORY = "from flask import Flask\ndef create_app(config=None):\n    app = Flask(__name__)\n    return app\n"
MANAGE = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site.settings')\n"


def tree(**files: str) -> Tree:
    """Return a tree of modules; ``INIT`` and ``MAIN`` in a name are the modules that have underscores around it."""
    named = {
        name.replace("__", "/").replace("INIT", "__init__").replace("MAIN", "__main__"): text
        for name, text in files.items()
    }
    return Tree.of("shop", {f"{name}.py": text for name, text in named.items()})


@pytest.mark.parametrize(
    ("files", "app"),
    [
        ({"src__shop__app": FASTAPI}, App("shop.app:app", "asgi")),
        ({"main": FASTAPI}, App("main:app", "asgi")),
        ({"shop__INIT": FLASK}, App("shop:server", "wsgi")),
        ({"shop__INIT": FACTORY}, App("shop:create_app", "wsgi", factory=True)),
        ({"manage": MANAGE, "site__wsgi": "", "site__asgi": ""}, App("site.wsgi:application", "wsgi")),
        ({"manage": MANAGE, "site__asgi": ""}, App("site.asgi:application", "asgi")),
        ({"shop__MAIN": "import os\nserve(int(os.environ['PORT']))\n"}, App("shop", "itself")),
        ({"shop__app": "class FastAPI: ...\napp = FastAPI()\n"}, None),
        ({"shop__app": "from flask import Flask\ndef create_app(config):\n    return Flask(config)\n"}, None),
        ({"tests__app": FASTAPI, "examples__app": FASTAPI, "shop__test_app": FASTAPI}, None),
        ({"shop__app": "from fastapi import FastAPI\ndef broken(:\n"}, None),
    ],
)  # fmt: skip
def test_the_application_is_found(files: dict[str, str], app: App | None) -> None:
    assert find_app(tree(**files)) == app


def test_of_several_applications_a_person_names_one_or_none() -> None:
    several = tree(shop__api=FASTAPI, shop__admin=FASTAPI)
    with pytest.raises(BadInput, match=r"several objects may be .*: shop\.admin:app, shop\.api:app") as refused:
        find_app(several)
    assert "--app shop.admin:app" in (refused.value.fix or "")
    assert find_app(several, "shop.api:app") == App("shop.api:app", "asgi")
    assert find_app(several, "none") is None
    with pytest.raises(BadInput, match=r"--app shop\.none:app: there are shop\.admin:app"):
        find_app(several, "shop.none:app")
    with pytest.raises(BadInput, match="no application was found"):
        find_app(tree(), "shop:app")


@pytest.mark.parametrize(
    ("app", "servers", "command"),
    [
        (App("a:b", "asgi"), {"uvicorn", "gunicorn"}, "python -m uvicorn a:b --host $HOST --port $PORT"),
        (App("a:b", "asgi", factory=True), {"uvicorn"}, "python -m uvicorn --factory a:b --host $HOST --port $PORT"),
        (App("a:b", "asgi"), {"hypercorn"}, "python -m hypercorn a:b --bind $HOST:$PORT"),
        (App("a:b", "wsgi"), {"gunicorn", "uvicorn"}, "python -m gunicorn a:b --bind $HOST:$PORT"),
        (App("a:b", "wsgi", factory=True), {"gunicorn"}, "python -m gunicorn 'a:b()' --bind $HOST:$PORT"),
        (App("a:b", "wsgi", factory=True), {"waitress"}, "python -m waitress --listen=$HOST:$PORT --call a:b"),
        (App("shop", "itself"), set(), "python -m shop"),
        (App("a:b", "asgi"), {"gunicorn"}, ""),
        (App("a:b", "wsgi"), set(), ""),
    ],
)  # fmt: skip
def test_it_is_served_by_what_the_project_has(app: App, servers: set[str], command: str) -> None:
    assert app.command(servers) == command


def test_the_pages_of_health_are_read_from_the_code_and_the_first_page_comes_last() -> None:
    routes = ("/status", "/api/healthz", "/health", "/items", "ping/", "in good health")
    code = "\n".join(f"route({one!r})" for one in routes)
    assert pages(tree(shop__app=code)) == ("/health", "/api/healthz", "/status", "/ping/", "/")
    assert pages(tree(tests__test_app="get('/health')")) == ("/",)


def test_the_settings_of_django_are_those_that_manage_names() -> None:
    assert django_settings(tree(manage=MANAGE)) == "site.settings"
    assert django_settings(tree(manage="print('hello')")) == ""
