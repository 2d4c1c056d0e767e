"""The mixed profile of pipeline.yaml at a fixed rate: how fast do two serving processes answer?

    scripts/with-services python bench/dawsos_load.py --rate 200 --seconds 60

Open loop: requests leave on schedule whether or not earlier ones were answered, and a latency counts from the moment a
request should have left, so a stall is not hidden. On a machine that others use as well, look at the processor time per request: it
does not depend on them. Sends to 127.0.0.1 only. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path
from statistics import quantiles

import httpx
from dawsos_service import Running, service

# path, share, needs the token: as `load` in pipeline.yaml.
PROFILE = (
    ("/v1/pricing/latest", 3, True),
    ("/v1/portfolios/{portfolio_id}/valuation", 5, True),
    ("/health", 2, False),
)


def cpu_seconds(pid: int) -> float:
    """Processor time a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def drive(running: list[Running], rate: int, seconds: int) -> dict[str, object]:
    """Send `rate` requests a second, evenly spaced, in turn over the processes."""
    turns = [entry for entry in PROFILE for _ in range(entry[1])]
    latencies: list[float] = []
    failures: list[str] = []
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    async with httpx.AsyncClient(timeout=30, limits=limits, trust_env=False) as client:

        async def request(number: int, due: float) -> None:
            target, (path, _, authenticated) = running[number % len(running)], turns[number % len(turns)]
            url = target.url + path.format(portfolio_id=target.portfolio_id)
            headers = {"Authorization": f"Bearer {target.token}"} if authenticated else {}
            try:
                answer = await client.get(url, headers=headers)
            except httpx.TransportError as error:
                failures.append(type(error).__name__)
                return
            if answer.status_code != 200:
                failures.append(str(answer.status_code))
            latencies.append(time.perf_counter() - due)

        used_before = [cpu_seconds(one.pid) for one in running]
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(rate * seconds):
                due = start + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(request(number, due))
        elapsed = time.perf_counter() - start
        used = sum(cpu_seconds(one.pid) for one in running) - sum(used_before)
    cuts = quantiles(latencies, n=100)
    return {
        "requests": len(latencies) + len([f for f in failures if not f.isdigit()]),
        "failures": len(failures),
        "answered_per_second": round(len(latencies) / elapsed, 1),
        "server_cpu_ms_per_request": round(1000 * used / len(latencies), 2),
        "p50_ms": round(cuts[49] * 1000, 2),
        "p95_ms": round(cuts[94] * 1000, 2),
        "p99_ms": round(cuts[98] * 1000, 2),
        "max_ms": round(max(latencies) * 1000, 2),
    }


def main() -> int:
    """0 when everything was answered with 200."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    with service(options.processes) as running:
        measured = asyncio.run(drive(running, options.rate, options.seconds))
    machine = {"cores": os.cpu_count(), "load_average_before": round(load_before, 2), "processes": options.processes}
    print(json.dumps(machine | measured))
    return 0 if measured["failures"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
