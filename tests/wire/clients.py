"""Clients for the tests: real keys, tokens good and forged, and a little server of JWK sets on loopback."""

import base64
import datetime
import json
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from cds_hooks import MemoryReplay, ReplayStore
from cds_hooks.keys import PinnedKeys
from cds_hooks.minting import SigningKey
from cds_hooks.trust import Issuer, ReplayMode, Trust

Json = dict[str, Any]

NOW: Final = 1_800_000_000
BASE: Final = "https://cds.example.org/bone"
PATH: Final = "/cds-services/view"
ISS: Final = "https://ehr.example.org/auth"
JKU: Final = "https://ehr.example.org/jwks.json"
ABSENT: Final = object()

KEY: Final = SigningKey.generate()


@cache
def rsa_key(bits: int = 2048) -> SigningKey:
    return SigningKey(rsa.generate_private_key(public_exponent=65537, key_size=bits))


def ec_key(curve: ec.EllipticCurve) -> SigningKey:
    return SigningKey(ec.generate_private_key(curve))


def key_set(*keys: SigningKey, **changes: object) -> bytes:
    """A JWK set; `changes` are made to every key in it."""
    return json.dumps({"keys": [changed(key.jwk, changes) for key in keys]}).encode()


def changed(members: Mapping[str, Any], changes: Mapping[str, object]) -> Json:
    return {name: value for name, value in {**members, **changes}.items() if value is not ABSENT}


def claims(**changes: object) -> Json:
    """The claims of a good token; one that is ABSENT is left out."""
    good = {"iss": ISS, "aud": BASE + PATH, "iat": NOW, "exp": NOW + 300, "jti": "nonce-1"}
    return changed(good, changes)


def bearer(members: Mapping[str, object] | None = None, key: SigningKey = KEY, **header: object) -> str:
    """An Authorization header with a token of these claims."""
    return "Bearer " + key.sign(json.dumps(members or claims()).encode(), header)


def segment(value: bytes | Mapping[str, object]) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def compact(header: bytes | Mapping[str, object], payload: bytes | Mapping[str, object], signature: bytes) -> str:
    """A token put together by hand."""
    return ".".join(map(segment, (header, payload, signature)))


def trust(
    *issuers: Issuer,
    replay: ReplayStore | None = None,
    replay_mode: ReplayMode = "strict",
    algorithms: tuple[str, ...] = ("ES384", "RS384"),
    now: Callable[[], float] = lambda: NOW,
) -> Trust:
    """A trust whose clock stands still; without issuers it knows one, by the key KEY."""
    return Trust(
        issuers or [issuer()],
        BASE,
        replay=replay or MemoryReplay(clock=now),
        replay_mode=replay_mode,
        algorithms=algorithms,
        leeway=60,
        longest=3600,
        clock=now,
    )


def issuer(*keys: SigningKey, **options: Any) -> Issuer:
    return Issuer(**{"iss": ISS, "keys": PinnedKeys(key_set(*(keys or (KEY,)))), **options})


# -- a server of JWK sets --------------------------------------------------------------------------


Respond = Callable[[Any], None]


class KeyServer(socketserver.ThreadingTCPServer):
    """Answers each connection as `respond` does, which is given the socket after the request's head was read."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, respond: Respond, tls: ssl.SSLContext | None = None) -> None:
        self.respond, self.tls = respond, tls
        self.heads: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Connection)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Connection(socketserver.BaseRequestHandler):
    server: KeyServer

    def handle(self) -> None:
        connection = self.request
        if self.server.tls is not None:
            try:
                connection = self.server.tls.wrap_socket(connection, server_side=True)
            except (ssl.SSLError, OSError):  # a client that does not like our certificate
                return
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(4096)
            self.server.heads.append(head)
            self.server.respond(connection)
        except OSError:  # a client that has had enough
            return
        finally:
            connection.close()


def answer(body: bytes, status: str = "200 OK", *headers: str) -> Respond:
    """A plain answer that ends with its connection."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""])
    return lambda connection: connection.sendall(head.encode() + body)


@contextmanager
def serving(respond: Respond, tls: ssl.SSLContext | None = None) -> Iterator[KeyServer]:
    with KeyServer(respond, tls) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def certificate(folder: Path, host: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate of our own making for a host, as a file to trust, and a server's context with it."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    trusted, secret = folder / "certificate.pem", folder / "key.pem"
    trusted.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    return trusted, context
