"""``python -m shop.worker VARIABLE``: serves on the port that the variable names."""

import os
import sys

from shop import server

server("127.0.0.1", int(os.environ[sys.argv[1]])).serve_forever()
