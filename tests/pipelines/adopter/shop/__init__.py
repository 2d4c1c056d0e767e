"""A shop of one page, as somebody has it who has never heard of a pipeline."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers GET of a known page."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        pages = {
            "/health": json.dumps({"status": "healthy", "version": os.environ.get("GIT_SHA", "")}),
            "/health/ready": "{}",
            "/items": json.dumps([{"name": "chair", "price": "20"}]),
            "/metrics": "http_requests_total 1\n",
        }
        body = pages.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Type", "text/plain" if self.path == "/metrics" else "application/json")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def server(host: str, port: int) -> ThreadingHTTPServer:
    """Return the server of the shop, which listens already."""
    return ThreadingHTTPServer((host, port), Handler)
