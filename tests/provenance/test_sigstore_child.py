"""The library's own process: what it answers where no server is there, and that it keeps the token to itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from dawsos.adapters.clock import SystemClock
from dawsos.adapters.loopback import free_ports
from dawsos.adapters.process import ProcessRunner
from dawsos.adapters.redactor import Masker
from dawsos.errors import InfrastructureError
from dawsos.provenance.sigstore import Keyless
from e2e.sigstore import ROOT, Addresses, CiService, authority, described

# The library is installed from its lock, as the tool does it.
pytestmark = pytest.mark.e2e


@pytest.fixture
def library(tmp_path: Path) -> Keyless:
    """The library, told of servers that nobody started."""
    (nobody,) = free_ports(1)
    url = f"http://127.0.0.1:{nobody}"
    keys = (ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1()))
    _, root = authority()
    instance = tmp_path / "instance.json"
    instance.write_text(json.dumps(described(Addresses(url, url, url, url), root, [root], keys)))
    runner = ProcessRunner(SystemClock(), Masker())
    return Keyless(tmp_path, ROOT / ".dawsos" / "toolchains", runner, instance)


@pytest.fixture
def service() -> Iterator[CiService]:
    made = CiService()
    yield made
    made.close()


def test_a_server_that_is_away_is_named_and_the_token_is_not(
    library: Keyless, service: CiService, tmp_path: Path
) -> None:
    statement = (
        '{"_type": "https://in-toto.io/Statement/v1", "subject": [{"name": "x", "digest": {}}], "predicateType": "x"}'
    )
    for variables in (
        {**service.variables(), "GITHUB_ACTIONS": "true"},
        {"SIGSTORE_ID_TOKEN": service.token()},
    ):
        with pytest.raises(InfrastructureError, match=r"sigstore did not sign: .*signingCert") as refused:
            asyncio.run(library.sign(statement, variables))
        secrets = [*variables.values(), *service.issued]
        assert not any(secret in refused.value.message for secret in secrets if len(secret) > 10)
        assert not any(
            secret.encode() in path.read_bytes()
            for path in (tmp_path / "keyless").rglob("*")
            if path.is_file()
            for secret in secrets
            if len(secret) > 10
        )
    assert len(service.issued) == 1, "the token was asked for once, and given the other time"


def test_a_service_that_says_no_is_an_error(library: Keyless, service: CiService) -> None:
    variables = {
        **service.variables(),
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "-".join(["wrong"] * 3),
    }
    with pytest.raises(InfrastructureError, match="403"):
        asyncio.run(library.sign("{}", variables))
    with pytest.raises(InfrastructureError, match="IdentityError"):
        asyncio.run(library.sign("{}", {"SIGSTORE_ID_TOKEN": "no token at all"}))


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[]", '{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}']
)
def test_what_is_no_bundle_is_refused(library: Keyless, text: str) -> None:
    answer = asyncio.run(library.verify(text, "me", "ci"))
    assert answer["refused"].startswith("it does not verify: ")


def test_the_public_servers_keys_came_with_the_library(library: Keyless) -> None:
    """Asking for them over the network would end in an error, or take its time: no proxy of ours is passed on."""
    answer = asyncio.run(replace(library, instance=None).verify("{}", "me", "ci"))
    assert answer["refused"].startswith("it does not verify: InvalidBundle")


def test_a_description_of_servers_that_is_none_is_an_error(library: Keyless) -> None:
    assert library.instance is not None
    library.instance.write_text("{}")
    with pytest.raises(InfrastructureError, match="sigstore could not verify: exit code 1"):
        asyncio.run(library.verify("{}", "me", "ci"))
