"""A drill's fault: runs a command whose memory grows, until it ends.

``python growing.py BYTES MOST COMMAND...`` takes ``BYTES`` of memory more each second, ``MOST`` at most, and runs the command as
its child, so that whoever looks at the process with its children sees the memory of both.  Only the standard library: the tool's
interpreter starts it by its path.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# Slow enough to be watched, fast enough for a drill of a minute; it ends above what the judge takes for the limit where none is known.
BYTES_A_SECOND, MOST = 24_000_000, 1_200_000_000
_STEPS_A_SECOND = 4


def growing(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the command that runs ``argv`` with memory that grows."""
    return (sys.executable, "-P", str(Path(__file__).resolve()), str(BYTES_A_SECOND), str(MOST), *argv)


def main(rate: int, most: int, argv: Sequence[str]) -> int:
    """Run ``argv`` to its end and return its exit status."""
    child = subprocess.Popen(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: child.send_signal(got))
    kept: list[bytes] = []
    while True:
        try:
            return child.wait(1 / _STEPS_A_SECOND)
        except subprocess.TimeoutExpired:
            if sum(map(len, kept)) < most:
                # Not zeros: the kernel gives no memory for those before they are written.
                kept.append(b"\1" * (rate // _STEPS_A_SECOND))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
