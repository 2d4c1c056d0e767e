"""A sigstore of our own: the real servers on the loopback address, with keys made for the test, and a CI service beside them.

The CI service is ours, for it plays the world outside: it says who a job is, by OpenID Connect, as GitHub Actions does.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from dawsos.adapters.http import get
from dawsos.adapters.loopback import free_ports

ROOT = Path(__file__).resolve().parents[2]
SERVERS = ("fulcio", "rekor", "timestamp", "tesseract")
_WITHIN = 30.0


def built_servers() -> Path | None:
    """Return the folder that ``scripts/sigstore_servers`` filled, None where that was not done."""
    folder = Path(os.environ.get("DAWSOS_SIGSTORE_SERVERS") or ROOT / ".dawsos" / "sigstore-servers")
    return folder if all((folder / name).is_file() for name in SERVERS) else None


class CiService:
    """Gives a job the token that says who it is, to whoever shows the job's own secret, as GitHub Actions does."""

    def __init__(self, workflow: str = "acme/shop/.github/workflows/ship.yml@refs/heads/main") -> None:
        self.workflow = workflow
        self.secret = base64.urlsafe_b64encode(os.urandom(24)).decode()
        self.issued: list[str] = []
        self._key = rsa.generate_private_key(65537, 2048)
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                service.answer(self)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def identity(self) -> str:
        """What Fulcio makes of the job's claims."""
        return f"https://github.com/{self.workflow}"

    def variables(self) -> dict[str, str]:
        """Return what a job of this service has in its environment."""
        url = f"{self.issuer}/token?api-version=2.0"
        return {"ACTIONS_ID_TOKEN_REQUEST_URL": url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": self.secret}

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.partition("?")[0]
        if path == "/.well-known/openid-configuration":
            self._send(request, 200, self._discovery())
        elif path == "/keys":
            self._send(request, 200, {"keys": [self._public()]})
        elif path == "/token" and request.headers.get("Authorization") == f"bearer {self.secret}":
            self.issued.append(self.token())
            self._send(request, 200, {"value": self.issued[-1]})
        else:
            self._send(request, 403, {"message": "no"})

    def _send(self, request: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_endpoint": f"{self.issuer}/none",
            "token_endpoint": f"{self.issuer}/none",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _public(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        return {
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "job",
            "n": _b64(numbers.n.to_bytes(256, "big")), "e": _b64(numbers.e.to_bytes(3, "big")),
        }  # fmt: skip

    def token(self) -> str:
        """Return a token with the claims of a job of GitHub Actions, signed by this service."""
        now = int(time.time())
        repository, commit = "/".join(self.workflow.split("/")[:2]), "c0ffee" + "0" * 34
        claims = {
            "iss": self.issuer, "aud": "sigstore", "sub": f"repo:{repository}:ref:refs/heads/main",
            "iat": now, "nbf": now, "exp": now + 300, "job_workflow_ref": self.workflow, "workflow_ref": self.workflow,
            "job_workflow_sha": commit, "workflow_sha": commit, "sha": commit, "ref": "refs/heads/main",
            "event_name": "push", "repository": repository, "repository_id": "1", "repository_visibility": "public",
            "repository_owner": repository.split("/")[0], "repository_owner_id": "2", "workflow": "ship",
            "runner_environment": "self-hosted", "run_id": "3", "run_attempt": "1",
        }  # fmt: skip
        head = {"alg": "RS256", "typ": "JWT", "kid": "job"}
        signed = ".".join(_b64(json.dumps(part).encode()) for part in (head, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_b64(signature)}"


def _b64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@dataclass
class Sigstore:
    """The servers, while they run: ``instance`` is the file that tells a client of them."""

    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def instance(self) -> Path:
        return self.folder / "instance.json"

    def stop(self) -> None:
        """End the servers; each is killed when it does not end by itself."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def start(self, name: str, program: Path, *arguments: str, ready: str) -> None:
        """Start a server and wait until its page ``ready`` answers."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        environment = {"PATH": os.defpath, "HOME": str(home)}
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [str(program), *arguments], cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _WITHIN
        while not _answers(ready):
            said = (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]
            assert self.processes[name].poll() is None, f"{name} ended:\n{said}"
            assert time.monotonic() < deadline, f"{name} does not answer {ready}:\n{said}"
            time.sleep(0.05)


def _answers(url: str) -> bool:
    return bool(asyncio.run(get(url, timeout=2))["status_code"] == 200)


@contextmanager
def running(folder: Path, servers: Path, issuers: tuple[str, ...]) -> Iterator[Sigstore]:
    """Start all servers, with Fulcio believing ``issuers``; they are stopped at the end."""
    stack = Sigstore(folder)
    ca_port, grpc_port, metrics_port, ct_port, tsa_port, log_port, log_grpc, log_metrics = free_ports(8)
    ca_key, root = authority()
    ct_key, log_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    _write(folder / "root.pem", root.public_bytes(serialization.Encoding.PEM))
    _write(folder / "ca.key", _pem(ca_key))
    _write(folder / "ct.key", _pem(ct_key, serialization.PrivateFormat.TraditionalOpenSSL))
    _write(folder / "log.key", _pem(log_key))
    believed = {name: {"IssuerURL": name, "ClientID": "sigstore", "Type": "github-workflow"} for name in issuers}
    (folder / "fulcio.json").write_text(json.dumps({"OIDCIssuers": believed}))
    try:
        ct_url = f"http://127.0.0.1:{ct_port}"
        stack.start(
            "tesseract", servers / "tesseract", f"--http_endpoint=127.0.0.1:{ct_port}", "--origin=ct.test",
            f"--private_key={folder / 'ct.key'}", f"--storage_dir={folder / 'ct'}", "--checkpoint_interval=500ms",
            f"--roots_pem_file={folder / 'root.pem'}", "--ext_key_usages=CodeSigning", ready=f"{ct_url}/ct/v1/get-roots",
        )  # fmt: skip
        ca_url = f"http://127.0.0.1:{ca_port}"
        stack.start(
            "fulcio", servers / "fulcio", "serve", "--host=127.0.0.1", f"--port={ca_port}", "--grpc-host=127.0.0.1",
            f"--grpc-port={grpc_port}", f"--metrics-port={metrics_port}", "--ca=fileca", "--fileca-key-passwd=none",
            f"--fileca-cert={folder / 'root.pem'}", f"--fileca-key={folder / 'ca.key'}", "--fileca-watch=false",
            f"--ct-log-url={ct_url}", "--ct-log-origin=ct.test", f"--config-path={folder / 'fulcio.json'}",
            f"--legacy-unix-domain-socket={folder / 'fulcio.sock'}", ready=f"{ca_url}/healthz",
        )  # fmt: skip
        log_url = f"http://127.0.0.1:{log_port}"
        stack.start(
            "rekor", servers / "rekor", "serve", "--http-address=127.0.0.1", f"--http-port={log_port}",
            "--grpc-address=127.0.0.1", f"--grpc-port={log_grpc}", f"--http-metrics-port={log_metrics}",
            "--hostname=rekor.test", f"--storage-dir={folder / 'rekor-log'}", f"--signer-filepath={folder / 'log.key'}",
            "--checkpoint-interval=500ms", "--batch-max-age=100ms", ready=f"{log_url}/healthz",
        )  # fmt: skip
        tsa_url = f"http://127.0.0.1:{tsa_port}/api/v1/timestamp"
        stack.start(
            "timestamp", servers / "timestamp", "serve", "--host=127.0.0.1", f"--port={tsa_port}",
            "--timestamp-signer=memory", "--disable-ntp-monitoring", ready=f"{tsa_url}/certchain",
        )  # fmt: skip
        chain = x509.load_pem_x509_certificates(asyncio.run(get(f"{tsa_url}/certchain"))["body"].encode())
        addresses = Addresses(ca_url, ct_url, log_url, tsa_url)
        stack.instance.write_text(json.dumps(described(addresses, root, chain, (ct_key, log_key))))
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(folder / "ct", ignore_errors=True)


@dataclass(frozen=True)
class Addresses:
    ca: str
    ct: str
    log: str
    tsa: str


def described(
    at: Addresses,
    root: x509.Certificate,
    chain: list[x509.Certificate],
    keys: tuple[ec.EllipticCurvePrivateKey, ec.EllipticCurvePrivateKey],
) -> dict[str, Any]:
    """Return the client trust config of servers: ``root`` of the CA, ``chain`` of the timestamps, ``keys`` of both logs."""
    since = {"start": "2020-01-01T00:00:00Z"}
    trusted = {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [_log(at.log, keys[1], since)],
        "ctlogs": [_log(at.ct, keys[0], since)],
        "certificateAuthorities": [_authorities(at.ca, [root], since)],
        "timestampAuthorities": [_authorities(at.tsa, chain, since)],
    }
    one = {"selector": "ANY"}
    signing = {
        "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
        "caUrls": [_service(at.ca, 1, since)], "oidcUrls": [], "rekorTlogUrls": [_service(at.log, 2, since)],
        "tsaUrls": [_service(at.tsa, 1, since)], "rekorTlogConfig": one, "tsaConfig": one,
    }  # fmt: skip
    kind = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
    return {"mediaType": kind, "trustedRoot": trusted, "signingConfig": signing}


def authority() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "test"), x509.NameAttribute(NameOID.COMMON_NAME, "test root")]
    )
    now, public = datetime.now(UTC), key.public_key()
    may = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    root = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **may), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, root


def _pem(
    key: ec.EllipticCurvePrivateKey, form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8
) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


def _log(url: str, key: ec.EllipticCurvePrivateKey, since: dict[str, str]) -> dict[str, Any]:
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki)
    public = {"rawBytes": base64.b64encode(spki).decode(), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": since}
    name = {"keyId": base64.b64encode(digest.finalize()).decode()}
    return {"baseUrl": url, "hashAlgorithm": "SHA2_256", "publicKey": public, "logId": name}


def _authorities(url: str, chain: list[x509.Certificate], since: dict[str, str]) -> dict[str, Any]:
    raw = [base64.b64encode(one.public_bytes(serialization.Encoding.DER)).decode() for one in chain]
    subject = {"organization": "test", "commonName": "test"}
    return {
        "subject": subject,
        "uri": url,
        "certChain": {"certificates": [{"rawBytes": one} for one in raw]},
        "validFor": since,
    }


def _service(url: str, version: int, since: dict[str, str]) -> dict[str, Any]:
    return {"url": url, "majorApiVersion": version, "validFor": since, "operator": "test"}
