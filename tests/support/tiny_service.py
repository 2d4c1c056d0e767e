"""The smallest service that a rollout can judge, of the standard library alone: its text becomes an image (support/oci.py).

Each page is answered with the commit.  What makes a release bad is in its code: ``source(FAIL=0.05)`` returns this text with that
line changed.  FAIL is the share of requests answered with 500, SLOW seconds that every second one takes, CRASH_AFTER requests
after which the process ends, LEAK bytes that each request keeps, BROKEN that it does not start.
"""

import os
import random
import re
import signal
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FAIL = 0.0
SLOW = 0.0
CRASH_AFTER = 0
LEAK = 0
BROKEN = False
EDGES = (0.05, 0.1, 0.25, 0.5, 1.0, 1.2, 2.0, 5.0)

lock = threading.Lock()
requests: Counter[tuple[str, int]] = Counter()
buckets: Counter[tuple[str, float]] = Counter()
kept: list[bytes] = []
ending = threading.Event()


def source(**faults: float) -> str:
    """Return the text of this file with other constants."""
    text = Path(__file__).read_text()
    for name, value in faults.items():
        text, changed = re.subn(rf"(?m)^{name} = .*$", f"{name} = {value!r}", text)
        assert changed == 1, f"no constant {name}"
    return text


def exposition() -> str:
    with lock:
        lines = [
            f'http_requests_total{{method="GET",endpoint="{page}",status="{status}"}} {count}'
            for (page, status), count in requests.items()
        ]
        for page in {page for page, _ in requests}:
            for edge in (*EDGES, float("inf")):
                le = "+Inf" if edge == float("inf") else edge
                labels = f'method="GET",endpoint="{page}",le="{le}"'
                lines.append(f"http_request_duration_seconds_bucket{{{labels}}} {buckets[page, edge]}")
    return "\n".join([*lines, f"process_start_time_seconds {STARTED}"]) + "\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Header and body in one write: with two, each answer waits for the other side's delayed acknowledgement.
    wbufsize = -1

    def do_GET(self) -> None:
        began, status, text = time.perf_counter(), 200, os.environ.get("GIT_SHA", "")
        judged = self.path != "/metrics" and not self.path.startswith(("/health", "/ready"))
        if self.path == "/metrics":
            text = exposition()
        elif judged:
            status, text = fate(text)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if ending.is_set():
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()
        if judged:
            seconds = time.perf_counter() - began
            with lock:
                requests["/", status] += 1
                for edge in (*EDGES, float("inf")):
                    buckets["/", edge] += seconds <= edge

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Write nothing: hundreds of lines a second are no news."""


def fate(text: str) -> tuple[int, str]:
    if LEAK:
        kept.append(os.urandom(LEAK))
    if CRASH_AFTER and sum(requests.values()) >= CRASH_AFTER:
        os._exit(3)
    if SLOW and random.random() < 0.5:
        time.sleep(SLOW)
    return (500, "broken") if random.random() < FAIL else (200, text)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


STARTED = time.time()

if __name__ == "__main__":
    if BROKEN:
        sys.exit("this release does not start")
    server = Server((os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8000"))), Handler)

    def end(*_: object) -> None:
        # What is under way is answered, and no connection is kept any longer.
        ending.set()
        threading.Timer(1.0, server.shutdown).start()

    # The first process of a container gets no signal that it does not ask for.
    signal.signal(signal.SIGTERM, end)
    server.serve_forever()
