"""A service of one page for a Canary on a cluster, of the standard library alone: a test puts this file into a ConfigMap.

Its variables are its faults: FAIL is the share of requests that it answers with 500, SLOW the seconds that it takes for every
second request, PACK_FAILURES what pricing_pack_build_failures_total says, CRASH_AFTER seconds of life, MUTE=1 leaves out the
metrics of requests.  What is posted to it stands in its log.
"""

import os
import random
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAIL = float(os.environ.get("FAIL", "0"))
SLOW = float(os.environ.get("SLOW", "0"))
PACK_FAILURES = os.environ.get("PACK_FAILURES", "0")
CRASH_AFTER = float(os.environ.get("CRASH_AFTER", "0"))
MUTE = bool(os.environ.get("MUTE"))
EDGES = (0.1, 0.5, 1.0, 1.2, 2.0, 5.0, 10.0)
STARTED = time.time()

lock = threading.Lock()
requests: Counter[tuple[str, str]] = Counter()
buckets: Counter[tuple[str, float]] = Counter()


def exposition() -> str:
    with lock:
        lines = [
            f'http_requests_total{{method="GET",endpoint="{e}",status="{s}"}} {n}' for (e, s), n in requests.items()
        ]
        for page in {page for page, _ in requests}:
            for edge in (*EDGES, float("inf")):
                le = "+Inf" if edge == float("inf") else edge
                number = buckets[page, edge]
                lines.append(
                    f'http_request_duration_seconds_bucket{{method="GET",endpoint="{page}",le="{le}"}} {number}'
                )
    if MUTE:
        lines = []
    lines.append(f"pricing_pack_build_failures_total {PACK_FAILURES}")
    lines.append(f"process_start_time_seconds {STARTED}")
    return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        began, status, text = time.perf_counter(), 200, "ok\n"
        if self.path == "/metrics":
            text = exposition()
        elif not self.path.startswith("/health"):
            if SLOW and random.random() < 0.5:
                time.sleep(SLOW)
            if random.random() < FAIL:
                status, text = 500, "broken\n"
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        seconds = time.perf_counter() - began
        with lock:
            requests[self.path, str(status)] += 1
            for edge in (*EDGES, float("inf")):
                buckets[self.path, edge] += seconds <= edge

    def do_POST(self) -> None:
        print(self.rfile.read(int(self.headers["Content-Length"])).decode(), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def crash() -> None:
    time.sleep(CRASH_AFTER)
    os._exit(3)


if __name__ == "__main__":
    if CRASH_AFTER:
        threading.Thread(target=crash, daemon=True).start()
    ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
