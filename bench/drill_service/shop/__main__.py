"""Serve the shop: cheap enough for hundreds of requests a second on a slow core."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGES = {
    "/health": json.dumps({"status": "healthy", "version": os.environ["GIT_SHA"]}),
    "/health/ready": "{}",
    "/items": json.dumps([{"name": f"item {number}", "price": str(number)} for number in range(20)]),
    "/metrics": "http_requests_total 1\n",
}


class Handler(BaseHTTPRequestHandler):
    """Answers GET of a known page; HTTP/1.1, so that the proxy may keep its connections."""

    protocol_version = "HTTP/1.1"
    # Header and body in one write: with two, each answer waits for the other side's delayed acknowledgement.
    wbufsize = -1

    def do_GET(self) -> None:
        body = PAGES.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/plain" if self.path == "/metrics" else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Write nothing: hundreds of lines a second are no news."""


ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
