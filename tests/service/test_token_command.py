"""`osteohooks token`: a key pair, a JWK set to register, and a token that the service lets in."""

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from cds_hooks import MemoryReplay, Unauthorized
from cds_hooks.keys import PinnedKeys
from cds_hooks.minting import SigningKey
from cds_hooks.tokens import Token
from cds_hooks.trust import Issuer, Trust
from service.cli import main

BASE = "https://cds.example.org"
ISS = "https://ehr.example.org/auth"
CALL = ("token", "--iss", ISS, "--aud", f"{BASE}/cds-services")


def let_in(token: str, jwks: str, iss: str = ISS, algorithm: str = "ES384", **options: str) -> bool:
    trust = Trust(
        [Issuer(iss=iss, keys=PinnedKeys(jwks.encode()), **options)],
        BASE,
        replay=MemoryReplay(),
        replay_mode="strict",
        algorithms=[algorithm],
        leeway=0,
        longest=3600,
    )
    try:
        return trust.authenticate(["/cds-services"], f"Bearer {token}").iss == iss
    except Unauthorized:
        return False


def test_a_key_for_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*CALL]) == 0
    out, err = capsys.readouterr()
    jwks = err.removeprefix("The JWK set to register: ")
    assert let_in(out.strip(), jwks)
    assert main([*CALL]) == 0
    assert not let_in(capsys.readouterr().out.strip(), jwks)


def test_the_token_alone_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    main([*CALL, "--tenant", "north", "--jku", "https://ehr.example.org/jwks.json", "--seconds", "60"])
    token = Token(capsys.readouterr().out.removesuffix("\n"))
    assert token.header["typ"] == "JWT"
    assert token.header["alg"] == "ES384"
    assert token.header["jku"] == "https://ehr.example.org/jwks.json"
    claims = token.claims
    assert (claims["iss"], claims["aud"], claims["tenant"]) == (ISS, f"{BASE}/cds-services", "north")
    assert claims["exp"] - claims["iat"] == 60
    assert len(claims["jti"]) == 64


def test_what_is_not_given_is_not_in_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    main([*CALL])
    token = Token(capsys.readouterr().out.strip())
    assert set(token.header) == {"typ", "alg", "kid"}
    assert set(token.claims) == {"iss", "aud", "iat", "exp", "jti"}
    assert token.claims["exp"] - token.claims["iat"] == 300


def test_a_new_key_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ehr.pem"
    assert main([*CALL, "--new-key", str(file)]) == 0
    first, err = capsys.readouterr()
    beside = tmp_path / "ehr.pem.jwks.json"
    assert err == f"The private key is in {file}, the JWK set to register in {beside}.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    jwks = beside.read_text()
    assert let_in(first.strip(), jwks)
    (jwk,) = json.loads(jwks)["keys"]
    assert set(jwk) == {"kid", "kty", "crv", "x", "y", "use", "alg"}
    assert main([*CALL, "--key", str(file)]) == 0
    second, err = capsys.readouterr()
    assert let_in(second.strip(), jwks)
    assert json.loads(err.removeprefix("The JWK set to register: ")) == json.loads(jwks)
    assert Token(first.strip()).claims["jti"] != Token(second.strip()).claims["jti"]


def test_no_file_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ehr.pem"
    file.write_text("precious")
    assert main([*CALL, "--new-key", str(file)]) == 2
    assert capsys.readouterr() == ("", f"osteohooks: {file}: cannot be written (File exists)\n")
    assert file.read_text() == "precious"
    missing = tmp_path / "nowhere" / "ehr.pem"
    assert main([*CALL, "--new-key", str(missing)]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_the_algorithm_goes_with_the_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys: dict[str, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey] = {
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "ES512": ec.generate_private_key(ec.SECP521R1()),
        "RS384": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    }
    for algorithm, private in keys.items():
        file = tmp_path / algorithm
        file.write_bytes(SigningKey(private).pem())
        assert main([*CALL, "--key", str(file)]) == 0
        out, err = capsys.readouterr()
        assert Token(out.strip()).header["alg"] == algorithm
        assert let_in(out.strip(), err.removeprefix("The JWK set to register: "), algorithm=algorithm)


def pem(private: object, password: bytes | None = None) -> bytes:
    how = NoEncryption() if password is None else BestAvailableEncryption(password)
    assert isinstance(private, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey)
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "in PEM form"),
        (b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n", "in PEM form"),
        (json.dumps(SigningKey.generate().key_set()).encode(), "in PEM form"),
        (pem(ec.generate_private_key(ec.SECP384R1()), b"secret"), "an encrypted key"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "on the curve secp256k1"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "neither an elliptic curve key nor an RSA key"),
        (pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "less than 2048 bits"),
    ],
)
def test_a_key_that_cannot_sign(
    content: bytes, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "ehr.pem"
    file.write_bytes(content)
    assert main([*CALL, "--key", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"osteohooks: {file}: expected a private key in PEM form (")
    assert reason in err


def test_a_key_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ehr.pem"
    assert main([*CALL, "--key", str(file)]) == 2
    assert capsys.readouterr().err == f"osteohooks: {file}: cannot be read (No such file or directory)\n"


@pytest.mark.parametrize("arguments", [("token",), ("token", "--iss", "a"), (*CALL, "--key", "a", "--new-key", "b")])
def test_what_must_be_given(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: osteohooks token" in capsys.readouterr().err
