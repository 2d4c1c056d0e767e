"""The server answers this machine and nobody else, and ends when it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dawsos.adapters.http import HttpClient, HttpError, Response
from dawsos.adapters.pages import Endpoint, Page, serve_answers, serve_pages
from dawsos.errors import BadInput, InfrastructureError
from support.authority import certified

pytestmark = pytest.mark.e2e  # opens sockets on loopback


def _broken() -> Page:
    raise BadInput("pipeline.yaml is wrong", fix="mend it")


PAGES: dict[str, Callable[[], Page]] = {
    "/metrics": lambda: Page("up 1\n", "text/plain; version=0.0.4; charset=utf-8"),
    "/broken": _broken,
}
Question = Callable[[HttpClient], Awaitable[Response]]


def asked(question: Question, ending: signal.Signals = signal.SIGTERM) -> Response:
    """Return the answer of a server to ``question``; the server is ended by a signal, and must end."""

    async def talk() -> Response:
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        server = asyncio.create_task(serve_pages(PAGES, 0, port.set_result))
        client = HttpClient(f"http://127.0.0.1:{await port}", timeout=10.0)
        try:
            return await question(client)
        finally:
            await client.close()
            os.kill(os.getpid(), ending)
            await asyncio.wait_for(server, 10.0)

    return asyncio.run(talk())


def get(path: str, host: str = "", method: str = "GET") -> Response:
    return asked(lambda client: client.request(method, path, headers={"Host": host} if host else {}))


def test_a_page_has_its_text_and_its_kind() -> None:
    answer = get("/metrics")
    assert (answer.status, answer.text) == (200, "up 1\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "localhost:9845", "LocalHost"])
def test_this_machine_may_be_called_so(host: str) -> None:
    assert get("/metrics", host).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9845", "127.0.0.1.evil.example", "10.0.0.1", "[::1]:80"]
)
def test_a_name_that_was_made_to_lead_here_is_refused(host: str) -> None:
    answer = get("/metrics", host)
    assert answer.status == 421
    assert "up 1" not in answer.text
    assert host in answer.text


def test_what_is_not_there_is_said_with_what_is() -> None:
    answer = get("/metric")
    assert (answer.status, "/metrics" in answer.text) == (404, True)


def test_nothing_can_be_written() -> None:
    assert get("/metrics", method="POST").status == 405
    assert get("/metrics", method="HEAD").status == 200


def test_a_page_that_cannot_be_made_says_why_and_the_others_stay() -> None:
    answer = get("/broken")
    assert answer.status == 503
    assert "pipeline.yaml is wrong" in answer.text

    async def both(client: HttpClient) -> Response:
        await client.request("GET", "/broken")
        return await client.request("GET", "/metrics")

    assert asked(both).status == 200


def test_ctrl_c_ends_it_as_well() -> None:
    assert asked(lambda client: client.request("GET", "/metrics"), signal.SIGINT).status == 200


def test_it_listens_on_the_loopback_address_only() -> None:
    async def bound() -> list[str]:
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        server = asyncio.create_task(serve_pages(PAGES, 0, port.set_result))
        number = f":{await port:04X}"
        table = Path("/proc/net/tcp").read_text().splitlines()
        found = [line.split()[1].removesuffix(number) for line in table if line.split()[1].endswith(number)]
        os.kill(os.getpid(), signal.SIGTERM)
        await server
        return found

    # In the byte order of the kernel's table.
    assert set(asyncio.run(bound())) == {"0100007F"}


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InfrastructureError, match=f"port {port}: Address already in use"):
            asyncio.run(serve_pages(PAGES, port, lambda _port: None))


def talk_to(where: Endpoint, question: Question, tls: ssl.SSLContext | None = None) -> Response:
    """Return what a service of a cluster answers; it is ended by TERM, and must end."""

    async def echo(body: bytes) -> Page:
        return Page(f"got {body.decode()}\n", "application/json")

    async def broken(_body: bytes) -> Page:
        raise RuntimeError("a defect")

    async def talk() -> Response:
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        server = asyncio.create_task(serve_answers({"/echo": echo, "/broken": broken}, where, port.set_result))
        client = HttpClient(f"{'https' if tls else 'http'}://127.0.0.1:{await port}", timeout=10.0, tls=tls)
        try:
            return await question(client)
        finally:
            await client.close()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(server, 10.0)

    return asyncio.run(talk())


def test_a_service_answers_what_it_is_asked_by_anybody() -> None:
    headers = {"Host": "judge.flagger.svc"}
    answer = talk_to(Endpoint(), lambda client: client.request("POST", "/echo", body=b"this", headers=headers))
    assert (answer.status, answer.text, answer.headers["content-type"]) == (200, "got this\n", "application/json")
    assert talk_to(Endpoint(), lambda client: client.request("GET", "/else")).status == 404


def test_a_defect_of_a_service_is_no_answer_that_anybody_could_take_for_a_yes(caplog: pytest.LogCaptureFixture) -> None:
    assert talk_to(Endpoint(), lambda client: client.request("POST", "/broken", body=b"{}")).status == 500


def test_a_service_speaks_tls_with_its_certificate(tmp_path: Path) -> None:
    folder = certified(tmp_path, "127.0.0.1")
    where = Endpoint(certificate=folder / "tls.crt", key=folder / "tls.key")
    believed = ssl.create_default_context(cafile=folder / "tls.crt")
    assert talk_to(where, lambda client: client.request("POST", "/echo", body=b"x"), believed).text == "got x\n"
    with pytest.raises(HttpError, match="cannot connect"):
        talk_to(where, lambda client: client.request("GET", "/echo"), ssl.create_default_context())
    (folder / "tls.crt").write_text("no certificate")
    with pytest.raises(BadInput, match="cannot use the certificate"):
        asyncio.run(serve_answers({}, where, lambda _port: None))
