"""Serve the shop with the metrics that monitoring asks for: requests by page and status, the time that they took, and failed packs."""

import json
import os
import threading
import time
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shop import FAILURES

LIMITS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
PAGES = {
    "/health": json.dumps({"status": "healthy", "version": os.environ["GIT_SHA"]}),
    "/health/ready": "{}",
    "/items": json.dumps([{"name": f"item {number}", "price": str(number)} for number in range(20)]),
}
LOCK = threading.Lock()
ANSWERS: Counter[tuple[str, int]] = Counter()
BUCKETS: Counter[tuple[str, float]] = Counter()
SPENT: defaultdict[str, float] = defaultdict(float)


def count(page: str, status: int, seconds: float) -> int:
    """Count one answer; return which it is."""
    with LOCK:
        ANSWERS[page, status] += 1
        SPENT[page] += seconds
        BUCKETS.update((page, limit) for limit in LIMITS if seconds <= limit)
        return ANSWERS.total()


def metrics() -> str:
    """Return the page for Prometheus."""
    name = "http_request_duration_seconds"
    with LOCK:
        lines = ["# TYPE http_requests_total counter"]
        for (page, status), number in sorted(ANSWERS.items()):
            lines.append(f'http_requests_total{{endpoint="{page}",status="{status}"}} {number}')
        lines.append(f"# TYPE {name} histogram")
        for page, seconds in sorted(SPENT.items()):
            total = sum(number for (answered, _), number in ANSWERS.items() if answered == page)
            lines += [f'{name}_bucket{{endpoint="{page}",le="{limit}"}} {BUCKETS[page, limit]}' for limit in LIMITS]
            lines.append(f'{name}_bucket{{endpoint="{page}",le="+Inf"}} {total}')
            lines += [f'{name}_sum{{endpoint="{page}"}} {seconds:.6f}', f'{name}_count{{endpoint="{page}"}} {total}']
        lines += ["# TYPE pack_failures_total counter", "pack_failures_total 0"]
    return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    """Answers GET of a known page; HTTP/1.1, so that the proxy may keep its connections."""

    protocol_version = "HTTP/1.1"
    # Header and body in one write: with two, each answer waits for the other side's delayed acknowledgement.
    wbufsize = -1
    answered = 0

    def do_GET(self) -> None:
        begun = time.monotonic()
        if self.path == "/metrics":
            self.answer(200, metrics(), "text/plain; version=0.0.4")
            return
        body = PAGES.get(self.path, "")
        status = 200 if body else 404
        if self.path == "/items" and (Handler.answered * FAILURES) % 1000 + FAILURES > 999:
            status, body = 500, "{}"
        self.answer(status, body, "application/json")
        Handler.answered = count(self.path if body else "other", status, time.monotonic() - begun)

    def answer(self, status: int, body: str, kind: str) -> None:
        content = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Write nothing: hundreds of lines a second are no news."""


ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
