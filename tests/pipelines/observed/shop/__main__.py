"""``python -m shop``."""

import os

from shop import server

server(os.environ["HOST"], int(os.environ["PORT"])).serve_forever()
