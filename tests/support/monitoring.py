"""A real Prometheus, a real Alertmanager and a real webhook on the loopback address, for tests of what they are given.

Everything lies in a folder of the test, and everything that is started is stopped, also when the test run is killed: the servers
run under the tool's reaper, which ends them when the pipe to this process closes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from dawsos.adapters import reaper
from dawsos.adapters.loopback import free_ports
from support.debian import unpacked

_READY_WITHIN = 30.0
_POLL = 0.05
# A proxy that the environment names does not stand between a test and its own servers.
_OPENER = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class Pace:
    """How often Prometheus scrapes and evaluates, and how long Alertmanager waits; in Prometheus' own notation."""

    scrape: str = "1s"
    evaluation: str = "1s"
    group_wait: str = "0s"
    group_interval: str = "1s"
    repeat_interval: str = "1h"


def program(name: str) -> Path:
    """Return the path of ``prometheus``, ``promtool``, ``prometheus-alertmanager`` or ``amtool``."""
    return _unpacked() / "usr" / "bin" / name


def _unpacked() -> Path:
    """Return the folder of both packages.  Alertmanager must be started in it: see ``_relative``."""
    return unpacked("prometheus", "prometheus-alertmanager", mend=_relative)


def _relative(folder: Path) -> None:
    """Make Debian's Alertmanager look for its templates below the folder in which it is started.

    The package has the absolute path in the program itself, where only root could put the files.
    """
    path, absolute = folder / "usr" / "bin" / "prometheus-alertmanager", b"/usr/share/prometheus/alertmanager"
    content = path.read_bytes()
    assert absolute in content, f"{path} no longer names {absolute.decode()}"
    path.write_bytes(content.replace(absolute, absolute[1:] + b"/"))


def promtool(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run promtool and return what it said; it exits with 0 when it has nothing to object to."""
    argv = [str(program("promtool")), *arguments]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


def get(url: str, /, **query: str) -> Any:
    """Return the JSON document of a page; raises HTTPError, with what the server said, when it is refused."""
    target = f"{url}?{urlencode(query)}" if query else url
    try:
        with _OPENER.open(target, timeout=10) as answer:
            return json.loads(answer.read())
    except HTTPError as error:
        error.add_note(error.read().decode(errors="replace"))
        raise


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus that is ready.  ``log`` is what it wrote; ``config`` its configuration, which ``reload`` reads anew."""

    url: str
    config: Path
    log: Path

    def query(self, expression: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Return the series of an instant vector with their values (NaN and infinity included); a scalar has no labels."""
        told = get(f"{self.url}/api/v1/query", query=expression, **({} if at is None else {"time": str(at)}))["data"]
        if told["resultType"] in ("scalar", "string"):
            return [({}, float(told["result"][1]))]
        return [(series["metric"], float(series["value"][1])) for series in told["result"]]

    def value(self, expression: str) -> float | None:
        """Return the one value of an expression, None when it has none; more than one is an error of the test."""
        told = self.query(expression)
        assert len(told) <= 1, told
        return told[0][1] if told else None

    def until(self, expression: str, within: float = 30.0) -> list[tuple[dict[str, str], float]]:
        """Return the series of ``expression`` as soon as it has any; fail when it has none in time."""
        found: list[tuple[dict[str, str], float]]
        found = wait_for(lambda: self.query(expression), within, f"{expression} has no data")
        return found

    def alerts(self, name: str | None = None) -> list[dict[str, Any]]:
        """Return the alerts that are pending or firing; ``name`` chooses one rule's."""
        found = get(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        return [alert for alert in found if name is None or alert["labels"]["alertname"] == name]

    def firing(self) -> set[str]:
        """Return the names of the alerts that fire."""
        return {alert["labels"]["alertname"] for alert in self.alerts() if alert["state"] == "firing"}

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules as Prometheus sees them, with ``health``, ``lastError`` and ``lastEvaluation``."""
        return [rule for group in get(f"{self.url}/api/v1/rules")["data"]["groups"] for rule in group["rules"]]

    def evaluated(self, within: float = 30.0) -> None:
        """Return when every rule was evaluated at a time after this call, without an error."""
        since = time.time()

        def done() -> bool:
            rules = self.rules()
            assert all(rule["health"] != "err" for rule in rules), [rule.get("lastError") for rule in rules]
            return bool(rules) and all(_seconds(rule["lastEvaluation"]) > since for rule in rules)

        wait_for(done, within, "the rules were not evaluated")

    def targets(self) -> list[dict[str, Any]]:
        """Return the targets that are scraped, with ``labels``, ``health`` and ``lastError``."""
        return list(get(f"{self.url}/api/v1/targets")["data"]["activeTargets"])

    def reload(self) -> None:
        """Read the configuration and the rules anew."""
        with _OPENER.open(f"{self.url}/-/reload", data=b"", timeout=10):
            pass


@dataclass(frozen=True)
class Alertmanager:
    """An Alertmanager that is ready and sends every alert to one webhook."""

    url: str
    config: Path
    log: Path

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts that it holds: ``labels``, ``annotations``, ``startsAt``, ``status``."""
        return list(get(f"{self.url}/api/v2/alerts"))


@dataclass
class Webhook:
    """Records what arrives, as Alertmanager's webhook sends it: one document a notification."""

    url: str
    notifications: list[dict[str, Any]] = field(default_factory=list)

    def alerts(self, name: str | None = None, status: str = "firing") -> list[dict[str, Any]]:
        """Return the alerts that arrived with ``status``: ``labels``, ``annotations``, ``startsAt``."""
        arrived = [alert for told in list(self.notifications) for alert in told["alerts"]]
        return [
            alert
            for alert in arrived
            if alert["status"] == status and (name is None or alert["labels"]["alertname"] == name)
        ]

    def arrived(self, name: str, within: float = 30.0) -> dict[str, Any]:
        """Return the first alert called ``name`` that fires; fail when none arrives in time."""
        found: list[dict[str, Any]] = wait_for(lambda: self.alerts(name), within, f"no alert {name} at the webhook")
        return found[0]


def wait_for(condition: Callable[[], Any], within: float, otherwise: str) -> Any:
    """Return the value of ``condition`` as soon as it is true; fail with ``otherwise`` when it is not so in time."""
    deadline = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{otherwise} within {within:g} s"
        time.sleep(_POLL)
    return value


@contextmanager
def prometheus(
    folder: Path,
    scrape_configs: Sequence[Mapping[str, Any]],
    rules: Sequence[Path] = (),
    alertmanager: Alertmanager | None = None,
    pace: Pace | None = None,
) -> Iterator[Prometheus]:
    """Run a Prometheus with these scrape configurations and rule files until the block ends.

    Its data and configuration lie in ``folder``, which is made.
    """
    pace = pace or Pace()
    config: dict[str, Any] = {
        "global": {
            "scrape_interval": pace.scrape,
            "scrape_timeout": pace.scrape,
            "evaluation_interval": pace.evaluation,
        },
        "scrape_configs": list(scrape_configs),
        "rule_files": [str(path.resolve()) for path in rules],
    }
    if alertmanager is not None:
        targets = [alertmanager.url.removeprefix("http://")]
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": targets}]}]}
    path = _written(folder, "prometheus.yml", config)

    def argv(port: int) -> list[str]:
        return [
            str(program("prometheus")),
            f"--config.file={path}",
            f"--storage.tsdb.path={path.parent / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.enable-lifecycle",
            "--scrape.discovery-reload-interval=100ms",
            "--log.level=info",
        ]

    with _serving(argv, folder) as (url, log):
        yield Prometheus(url, path, log)


@contextmanager
def alertmanager(folder: Path, webhook: Webhook, pace: Pace | None = None) -> Iterator[Alertmanager]:
    """Run an Alertmanager that sends every alert to ``webhook`` until the block ends."""
    pace = pace or Pace()
    config = {
        "route": {
            "receiver": "webhook",
            "group_by": ["..."],
            "group_wait": pace.group_wait,
            "group_interval": pace.group_interval,
            "repeat_interval": pace.repeat_interval,
        },
        "receivers": [{"name": "webhook", "webhook_configs": [{"url": webhook.url, "send_resolved": True}]}],
    }
    path = _written(folder, "alertmanager.yml", config)

    def argv(port: int) -> list[str]:
        return [
            str(program("prometheus-alertmanager")),
            f"--config.file={path}",
            f"--storage.path={path.parent / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=info",
        ]

    with _serving(argv, folder) as (url, log):
        yield Alertmanager(url, path, log)


@contextmanager
def webhook() -> Iterator[Webhook]:
    """Run a server that records each notification until the block ends."""
    kept = Webhook("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.notifications.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with _answering(Handler) as kept.url:
        yield kept


@contextmanager
def metrics_page(text: Callable[[], str]) -> Iterator[str]:
    """Serve what ``text`` returns as a page of metrics until the block ends; yield its ``host:port``, path ``/metrics``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = text().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with _answering(Handler) as url:
        yield url.removeprefix("http://")


@contextmanager
def _answering(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": _POLL}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def _serving(argv: Callable[[int], list[str]], folder: Path) -> Iterator[tuple[str, Path]]:
    """Run a server on a free port, wait until it is ready, and end it and what it started at the end of the block."""
    log, port = folder / "log", free_ports(1)[0]
    url = f"http://127.0.0.1:{port}"
    under = (sys.executable, "-I", "-S", str(Path(reaper.__file__)), "5", "-", "--")
    with log.open("wb") as output:
        process = subprocess.Popen(
            (*under, *argv(port)),
            cwd=_unpacked(),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_ready(f"{url}/-/ready", process, log)
        yield url, log
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.wait(timeout=30)


def _wait_until_ready(page: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def ready() -> bool:
        assert process.poll() is None, f"it ended with exit code {process.returncode}:\n{log.read_text()}"
        try:
            with _OPENER.open(page, timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    wait_for(ready, _READY_WITHIN, f"{page} was not ready")


def _written(folder: Path, name: str, config: Mapping[str, Any]) -> Path:
    """Write a configuration as JSON, which is YAML, into ``folder``, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / name
    path.write_text(json.dumps(config, indent=1))
    return path


def _seconds(moment: str) -> float:
    """Return the Unix time of a moment in RFC 3339, with the nine decimals that Go writes."""
    head, _, rest = moment.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    decimals = rest[: len(rest) - len(zone)] if rest else "0"
    return datetime.fromisoformat((head + zone) if rest else moment).timestamp() + float(f"0.{decimals}")
