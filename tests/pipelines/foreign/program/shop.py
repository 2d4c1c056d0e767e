#!/usr/bin/env python3
"""A shop of one page: a program of one file, without any package."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGES = {"/items": json.dumps([{"name": "chair", "price": "20"}]), "/health": json.dumps({"status": "ok"})}


class Handler(BaseHTTPRequestHandler):
    """Answers GET of a known page."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        body = PAGES.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Version", os.environ.get("GIT_SHA", ""))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
