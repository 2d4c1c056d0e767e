"""Serve the shop.  /broken answers 500 in every release, /items in one whose ``BROKEN`` says so."""

import json
import os
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BROKEN = False
BUCKETS = (0.1, 1.0, 10.0)
PAGES = {
    "/health": {"status": "healthy", "version": os.environ["GIT_SHA"]},
    "/health/ready": {},
    "/items": [{"name": f"item {number}", "price": str(number)} for number in range(20)],
}


class Told:
    """What was answered, as a page of metrics."""

    def __init__(self):
        self._lock = threading.Lock()
        # Prometheus sees no increase of a series that appears at 1.
        self._requests = Counter({200: 0, 404: 0, 500: 0})
        self._buckets = Counter()
        self._seconds = 0.0

    def count(self, status, seconds):
        with self._lock:
            self._requests[status] += 1
            self._seconds += seconds
            self._buckets.update(edge for edge in (*BUCKETS, "+Inf") if edge == "+Inf" or seconds <= edge)

    def page(self):
        name = "http_request_duration_seconds"
        with self._lock:
            requests = [f'http_requests_total{{status="{status}"}} {n}' for status, n in self._requests.items()]
            buckets = [f'{name}_bucket{{le="{edge}"}} {self._buckets[edge]}' for edge in (*BUCKETS, "+Inf")]
            rest = [f"{name}_sum {self._seconds}", f"{name}_count {self._buckets['+Inf']}"]
        types = ["# TYPE http_requests_total counter", *requests, f"# TYPE {name} histogram", *buckets, *rest]
        return "\n".join(types) + "\n"


TOLD = Told()


class Handler(BaseHTTPRequestHandler):
    """Answers GET of a known page; HTTP/1.1, so that the proxy may keep its connections."""

    protocol_version = "HTTP/1.1"
    # Header and body in one write: with two, each answer waits for the other side's delayed acknowledgement.
    wbufsize = -1

    def do_GET(self):
        began = time.monotonic()
        if self.path == "/metrics":
            self.answer(200, TOLD.page(), "text/plain; version=0.0.4")
            return
        broken = self.path == "/broken" or (BROKEN and self.path == "/items")
        status = 500 if broken else 200 if self.path in PAGES else 404
        # Counted before it is sent: who has the answer finds it on the page of metrics.
        TOLD.count(status, time.monotonic() - began)
        self.answer(status, json.dumps(PAGES.get(self.path, "")), "application/json")

    def answer(self, status, text, kind):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        """Write nothing: hundreds of lines a second are no news."""


ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
