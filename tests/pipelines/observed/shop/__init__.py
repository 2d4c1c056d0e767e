"""A shop of one page that counts its requests and sends a span of each that asks for one, as OTLP in JSON."""

import json
import os
import secrets
import threading
import time
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = os.environ.get("GIT_SHA", "")
COLLECTOR = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
BUCKETS = (0.1, 0.5, 1.0)

statuses: Counter[int] = Counter({200: 0})
durations: list[float] = []
lock = threading.Lock()


def metrics() -> str:
    """Return the page of metrics."""
    with lock:
        counted, seconds = dict(statuses), list(durations)
    lines = [f'http_requests_total{{status="{status}"}} {amount}' for status, amount in counted.items()]
    for limit in (*map(str, BUCKETS), "+Inf"):
        amount = sum(one <= float(limit.replace("+Inf", "inf")) for one in seconds)
        lines.append(f'http_request_duration_seconds_bucket{{le="{limit}"}} {amount}')
    lines += [f"http_request_duration_seconds_sum {sum(seconds)}", f"http_request_duration_seconds_count {len(seconds)}"]
    kinds = ("# TYPE http_requests_total counter", "# TYPE http_request_duration_seconds histogram")
    return "\n".join((*kinds, *lines, ""))


def send_span(traceparent: str, path: str, started: int, ended: int) -> None:
    """Send the span of one request to the collector when its caller wants it sampled (W3C Trace Context)."""
    _, trace, parent, flags = traceparent.split("-")
    if not COLLECTOR or not int(flags, 16) & 1:
        return
    resource = [
        {"key": "service.name", "value": {"stringValue": "shop"}},
        {"key": "service.version", "value": {"stringValue": VERSION}},
    ]
    span = {
        "traceId": trace, "spanId": secrets.token_hex(8), "parentSpanId": parent, "name": f"GET {path}", "kind": 2,
        "startTimeUnixNano": str(started), "endTimeUnixNano": str(ended),
    }
    document = {"resourceSpans": [{"resource": {"attributes": resource}, "scopeSpans": [{"spans": [span]}]}]}
    request = urllib.request.Request(
        f"{COLLECTOR}/v1/traces", json.dumps(document).encode(), {"Content-Type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(request, timeout=5).close()


class Handler(BaseHTTPRequestHandler):
    """Answers GET of a known page."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        started = time.time_ns()
        pages = {
            "/health": json.dumps({"status": "healthy", "version": VERSION}),
            "/health/ready": "{}",
            "/items": json.dumps([{"name": "chair", "price": "20"}]),
            "/metrics": metrics(),
        }
        body = pages.get(self.path, "").encode()
        status = 200 if body else 404
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/plain" if self.path == "/metrics" else "application/json")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        ended = time.time_ns()
        with lock:
            statuses[status] += 1
            durations.append((ended - started) / 1e9)
        if self.headers.get("traceparent"):
            send_span(self.headers["traceparent"], self.path, started, ended)

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def server(host: str, port: int) -> ThreadingHTTPServer:
    """Return the server of the shop, which listens already."""
    return ThreadingHTTPServer((host, port), Handler)
