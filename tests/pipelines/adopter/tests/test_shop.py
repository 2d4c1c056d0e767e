"""The shop answers."""

import threading
from urllib.request import urlopen

from shop import server


def test_the_items_have_a_price():
    with server("127.0.0.1", 0) as shop:
        thread = threading.Thread(target=shop.serve_forever)
        thread.start()
        try:
            with urlopen(f"http://127.0.0.1:{shop.server_port}/items") as answer:
                assert b"price" in answer.read()
        finally:
            shop.shutdown()
            thread.join()
