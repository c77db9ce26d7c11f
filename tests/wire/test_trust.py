"""Who may call: each check with what it turns away, and beside it what it lets in."""

import hashlib
import hmac
import json
import logging
from collections import Counter
from collections.abc import Collection
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from cds_hooks import Caller, ReplayStoreAway, Unauthorized, Unavailable
from cds_hooks.errors import operation_outcome
from cds_hooks.keys import Key, KeysAway, PinnedKeys
from cds_hooks.minting import SigningKey
from cds_hooks.tokens import LONGEST
from cds_hooks.trust import ReplayMode, Trust
from tests.wire.clients import (
    ABSENT,
    BASE,
    ISS,
    JKU,
    KEY,
    NOW,
    PATH,
    bearer,
    claims,
    compact,
    ec_key,
    issuer,
    key_set,
    rsa_key,
    segment,
    trust,
)

OTHER = SigningKey.generate()

# What a client is told, whatever the cause.
ALWAYS_TOLD = (
    401,
    {"WWW-Authenticate": "Bearer"},
    {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "login"}]},
)


def cause_of(trusting: Trust, authorization: str | None, *paths: str) -> str | None:
    """The one cause for which this header is refused; None when it is let in."""
    before = Counter(trusting.refusals)
    told = None
    try:
        trusting.authenticate(paths or (PATH,), authorization)
    except Unauthorized as refusal:
        told = refusal.status, refusal.headers, operation_outcome(refusal.issues)
    causes = [*(Counter(trusting.refusals) - before).elements()]
    assert told in (None, ALWAYS_TOLD)
    assert len(causes) == (told is not None)
    return causes[0] if causes else None


def test_a_good_token_tells_who_calls() -> None:
    caller = trust().authenticate([PATH], bearer(claims(tenant="north")))
    assert caller == Caller(iss=ISS, tenant="north", jti="nonce-1")


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   ", "  Bearer "])
def test_the_scheme_in_any_case(scheme: str) -> None:
    assert cause_of(trust(), bearer().replace("Bearer ", scheme)) is None


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic dTpw", "Bearer a b", f"{bearer()}, {bearer()}", "Bearer\ta.b.c"]
)
def test_no_token(header: str | None) -> None:
    assert cause_of(trust(), header) == "no-token"


@pytest.mark.parametrize("text", ["a", "a.b", "a.b.c", "..", f"{bearer()[7:]}.x", f"{bearer()[7:]},{bearer()[7:]}"])
def test_no_token_that_can_be_read(text: str) -> None:
    assert cause_of(trust(), f"Bearer {text}") == "malformed"


def test_the_longest_token_that_is_read() -> None:
    tokens = (bearer(claims(sub="x" * length)) for length in range(5500, 6500))
    fits, next_one = next(pair for pair in pairwise(tokens) if len(pair[1]) > LONGEST)
    assert len(fits) > LONGEST - 2
    assert cause_of(trust(), fits) is None
    assert cause_of(trust(), next_one) == "too-long"


def test_a_huge_token_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("cds_hooks.trust.Token")  # whoever reads a token fails
    assert cause_of(trust(), "Bearer " + "a" * 10_000_000) == "too-long"
    with pytest.raises(NameError):
        cause_of(trust(), bearer())


# -- the header ------------------------------------------------------------------------------------


@pytest.mark.parametrize("typ", ["jwt", "JWS", "at+jwt", 1, None])
def test_another_type(typ: object) -> None:
    assert cause_of(trust(), bearer(typ=typ)) == "typ"
    assert cause_of(trust(), bearer(typ="JWT")) is None


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS256", "HS384", "HS512", "ES384 ", None, 384, ["ES384"]])
def test_an_algorithm_that_is_none(alg: object) -> None:
    header = {"typ": "JWT", "alg": alg, "kid": KEY.kid}
    for signature in (b"", b"x" * 96):
        text = compact(header, claims(), signature or b"x")
        assert cause_of(trust(), f"Bearer {text}") == "algorithm"
    unsigned = compact(header, claims(), b"")
    assert cause_of(trust(), f"Bearer {unsigned}") == "malformed"


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("signing", [KEY, rsa_key()], ids=["EC", "RSA"])
def test_a_public_key_does_not_serve_as_a_secret(digest: str, signing: SigningKey) -> None:
    """The classic: HMAC keyed with what everybody may know, in each form an implementation might take it."""
    family = RSAAlgorithm if signing.alg == "RS384" else ECAlgorithm
    public = family.from_jwk(dict(signing.jwk)).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[union-attr]  # it is a public one
    header = segment({"typ": "JWT", "alg": f"HS{digest[3:]}", "kid": signing.kid})
    signed = f"{header}.{segment(claims())}"
    for secret in (public, public.strip(), json.dumps(dict(signing.jwk)).encode(), b""):
        mac = hmac.new(secret, signed.encode(), getattr(hashlib, digest)).digest()
        assert cause_of(trust(issuer(signing)), f"Bearer {signed}.{segment(mac)}") == "algorithm"
    assert cause_of(trust(issuer(signing)), bearer(key=signing)) is None


def test_only_the_algorithms_of_the_settings() -> None:
    signing = ec_key(ec.SECP256R1())
    assert signing.alg == "ES256"
    assert cause_of(trust(issuer(signing)), bearer(key=signing)) == "algorithm"
    assert cause_of(trust(issuer(signing), algorithms=("ES256",)), bearer(key=signing)) is None
    assert cause_of(trust(algorithms=("ES256",)), bearer()) == "algorithm"


@pytest.mark.parametrize("algorithms", [(), ("none",), ("ES384", "HS256"), ("es384",)])
def test_no_other_algorithm_can_be_set(algorithms: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="algorithms"):
        trust(algorithms=algorithms)


def test_an_algorithm_is_taken_with_its_own_keys_only() -> None:
    """The header says RS384 over a signature, or a key, of ES384; and a JWK may narrow what it is for."""
    assert cause_of(trust(issuer(KEY, rsa_key())), bearer(alg="ES384")) is None
    forged = compact({"typ": "JWT", "alg": "RS384", "kid": KEY.kid}, claims(), b"x" * 256)
    assert cause_of(trust(issuer(KEY, rsa_key())), f"Bearer {forged}") == "key"
    narrowed = PinnedKeys(key_set(rsa_key(), alg="PS384"))
    both = ("RS384", "PS384")
    assert cause_of(trust(issuer(keys=narrowed), algorithms=both), bearer(key=rsa_key())) == "key"
    free = PinnedKeys(key_set(rsa_key(), alg=ABSENT))
    for alg in both:
        assert cause_of(trust(issuer(keys=free), algorithms=both), bearer(key=rsa_key(), alg=alg)) is None


@pytest.mark.parametrize("crit", [["exp"], ["b64"], ["x-tenant"], [], "exp", None])
def test_a_critical_header(crit: object) -> None:
    header = {"typ": "JWT", "alg": "ES384", "kid": KEY.kid, "crit": crit, "x-tenant": "north"}
    assert cause_of(trust(), f"Bearer {compact(header, claims(), b'x' * 96)}") == "critical"
    assert cause_of(trust(), bearer(claims(), KEY, **{"x-tenant": "north"})) is None


@pytest.mark.parametrize("b64", [True, False])
def test_a_payload_that_says_it_is_not_encoded(b64: bool) -> None:
    header = {"typ": "JWT", "alg": "ES384", "kid": KEY.kid, "b64": b64}
    assert cause_of(trust(), f"Bearer {compact(header, claims(), b'x' * 96)}") == "critical"


@pytest.mark.parametrize("kid", [ABSENT, None, "", 1, ["a"]])
def test_a_token_without_the_name_of_its_key(kid: object) -> None:
    header = {"typ": "JWT", "alg": "ES384", **({} if kid is ABSENT else {"kid": kid})}
    assert cause_of(trust(), f"Bearer {compact(header, claims(), b'x' * 96)}") == "kid"


@pytest.mark.parametrize("kid", ["unknown", "../../etc/passwd", "' OR 1=1 --", "\x00", "\ud800"])
def test_a_key_that_the_issuer_does_not_have(kid: str) -> None:
    assert cause_of(trust(), bearer(kid=kid)) == "key"


def test_a_key_in_the_token_itself_is_not_looked_at() -> None:
    assert cause_of(trust(), bearer(key=OTHER, kid=KEY.kid, jwk=OTHER.jwk)) == "signature"
    assert cause_of(trust(), bearer(jwk=OTHER.jwk, x5u="https://evil.example", x5c=["MIIB"])) is None


# -- issuer and key set ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "iss", [ABSENT, None, "", 1, [ISS], {}, f"{ISS}/", ISS.upper(), f" {ISS}", "https://evil.example"]
)
def test_an_issuer_that_is_not_registered(iss: object) -> None:
    assert cause_of(trust(), bearer(claims(iss=iss))) == "issuer"


def test_an_issuer_is_registered_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        trust(issuer(), issuer(OTHER))


def test_each_issuer_has_its_own_keys() -> None:
    other = "https://other.example.org"
    trusting = trust(issuer(), issuer(OTHER, iss=other))
    assert cause_of(trusting, bearer(claims(iss=other), OTHER)) is None
    assert cause_of(trusting, bearer(claims(iss=other), KEY)) == "key"
    assert cause_of(trusting, bearer(claims(iss=other), KEY, kid=OTHER.kid)) == "signature"


@pytest.mark.parametrize("jku", [f"{JKU}?", f"{JKU}#", JKU.upper(), "https://evil.example/jwks.json", "", None, [JKU]])
def test_another_address_of_keys_than_the_registered_one(jku: object) -> None:
    assert cause_of(trust(issuer(jku=JKU)), bearer(jku=jku)) == "jku"


def test_the_registered_address_of_keys_or_none() -> None:
    for header in ({"jku": JKU}, {}):
        assert cause_of(trust(issuer(jku=JKU)), bearer(claims(), KEY, **header)) is None


def test_an_address_of_keys_is_not_asked_when_the_keys_are_pinned() -> None:
    assert cause_of(trust(issuer()), bearer(jku="http://169.254.169.254/latest/meta-data")) is None


# -- audience --------------------------------------------------------------------------------------

VIEW = BASE + PATH


@pytest.mark.parametrize(
    "aud",
    [
        ABSENT,
        None,
        "",
        [],
        [[VIEW]],
        {VIEW: 1},
        1,
        BASE,
        f"{BASE}/cds-services",
        f"{VIEW}/",
        f"{VIEW}/feedback",
        f"{VIEW}?",
        VIEW.replace("https", "http"),
        VIEW.upper(),
        VIEW.replace("view", "sign"),
        VIEW.replace("cds.", "evil."),
        PATH,
        f"{VIEW},{VIEW}",
    ],
)
def test_a_token_for_another_address(aud: object) -> None:
    assert cause_of(trust(), bearer(claims(aud=aud))) == "audience"


@pytest.mark.parametrize("aud", [VIEW, [VIEW], ["https://other.example.org", VIEW], [1, VIEW]])
def test_a_token_for_this_address(aud: object) -> None:
    assert cause_of(trust(), bearer(claims(aud=aud))) is None


def test_an_endpoint_of_two_addresses() -> None:
    """Feedback is sent with the address of the feedback or of the service: the standard does not say which."""
    paths = (f"{PATH}/feedback", PATH)
    for number, aud in enumerate((f"{VIEW}/feedback", VIEW)):
        assert cause_of(trust(), bearer(claims(aud=aud, jti=str(number))), *paths) is None
    assert cause_of(trust(), bearer(claims(aud=f"{BASE}/cds-services")), *paths) == "audience"


def test_an_audience_of_the_issuer() -> None:
    """Some EHRs have the audience typed in by hand, and one sends a word."""
    other = issuer(OTHER, iss="https://other.example.org")
    trusting = trust(issuer(audiences=["sand_man"]), other)
    assert cause_of(trusting, bearer(claims(aud="sand_man"))) is None
    assert cause_of(trusting, bearer(claims(aud=VIEW, jti="2"))) is None
    assert cause_of(trusting, bearer(claims(iss=other.iss, aud="sand_man"), OTHER)) == "audience"


# -- time ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["iat", "exp"])
@pytest.mark.parametrize("value", [ABSENT, None, "1800000000", True, [NOW], 10**400, -(10**400), float("1e999")])
def test_a_time_that_is_none(name: str, value: object) -> None:
    payload = json.dumps(claims(**{name: value})).replace("Infinity", "1e999").encode()
    assert cause_of(trust(), "Bearer " + KEY.sign(payload)) == "time"


@pytest.mark.parametrize("value", [None, "1800000000", False, [NOW]])
def test_a_beginning_that_is_none(value: object) -> None:
    assert cause_of(trust(), bearer(claims(nbf=value))) == "time"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"exp": NOW - 60}, "expired"),
        ({"exp": NOW - 59.5}, None),
        ({"exp": 0, "iat": -300}, "expired"),
        ({"iat": NOW + 60}, None),
        ({"iat": NOW + 60.5}, "not-yet"),
        ({"nbf": NOW + 60}, None),
        ({"nbf": NOW + 61}, "not-yet"),
        ({"nbf": NOW - 10_000}, None),
        ({"exp": NOW + 3600}, None),
        ({"exp": NOW + 3601}, "lifetime"),
        ({"iat": NOW - 3300}, None),
        ({"iat": NOW - 3301}, "lifetime"),
        ({"iat": -1e300}, "lifetime"),
        ({"exp": 1e300}, "lifetime"),
        ({"iat": NOW + 30, "exp": NOW + 30}, "lifetime"),
        ({"iat": NOW + 30, "exp": NOW + 20}, "lifetime"),
        ({"iat": float(NOW), "exp": NOW + 0.5}, None),
    ],
)
def test_the_time_of_a_token(changes: dict[str, float], cause: str | None) -> None:
    members = {"iat": NOW - 300, **changes} if changes.get("exp", NOW) < NOW else changes
    assert cause_of(trust(), bearer(claims(**members))) == cause


# -- tenant and nonce ------------------------------------------------------------------------------


@pytest.mark.parametrize("tenant", [ABSENT, None, "", "south", "North", 1, ["north"]])
def test_a_tenant_that_is_not_registered(tenant: object) -> None:
    assert cause_of(trust(issuer(tenants=["north", "east"])), bearer(claims(tenant=tenant))) == "tenant"


@pytest.mark.parametrize("tenant", ["north", "east"])
def test_a_tenant_that_is_registered(tenant: str) -> None:
    assert cause_of(trust(issuer(tenants=["north", "east"])), bearer(claims(tenant=tenant))) is None


@pytest.mark.parametrize(
    ("tenant", "cause"),
    [(ABSENT, None), (None, None), ("any", None), ("", "tenant"), (1, "tenant"), ("x" * 257, "tenant")],
)
def test_any_tenant_where_none_is_registered(tenant: object, cause: str | None) -> None:
    assert cause_of(trust(), bearer(claims(tenant=tenant))) == cause


@pytest.mark.parametrize(
    ("jti", "cause"),
    [(ABSENT, "jti"), (None, "jti"), ("", "jti"), (" ", "jti"), (1, "jti"), ("x" * 257, "jti"), ("x" * 256, None)],
)
def test_a_nonce(jti: object, cause: str | None) -> None:
    assert cause_of(trust(), bearer(claims(jti=jti))) == cause


# -- signature -------------------------------------------------------------------------------------


def test_a_token_of_another_key() -> None:
    assert cause_of(trust(), bearer(key=OTHER, kid=KEY.kid)) == "signature"


@pytest.mark.parametrize("part", [1, 2])
def test_a_token_that_was_changed(part: int) -> None:
    parts = bearer().removeprefix("Bearer ").split(".")
    parts[part] = segment(claims(tenant="another")) if part == 1 else segment(b"\x00" * 96)
    assert cause_of(trust(), "Bearer " + ".".join(parts)) == "signature"


@pytest.mark.parametrize("length", [1, 64, 95, 97, 104])
def test_a_signature_of_another_length(length: int) -> None:
    """A signature of zeros, and one in another encoding, as were once taken for good elsewhere."""
    header = {"typ": "JWT", "alg": "ES384", "kid": KEY.kid}
    assert cause_of(trust(), f"Bearer {compact(header, claims(), bytes(length))}") == "signature"


def test_the_cheaper_checks_come_first() -> None:
    """In the order of the best practices: each flaw is found though all that come after it are there too."""
    flaws: list[tuple[str, dict[str, object]]] = [
        ("issuer", {"iss": "https://evil.example"}),
        ("audience", {"aud": "https://evil.example"}),
        ("expired", {"iat": NOW - 600, "exp": NOW - 300}),
        ("tenant", {"tenant": "south"}),
    ]
    trusting = trust(issuer(tenants=["north"]))
    for number, (cause, _) in enumerate(flaws):
        members = claims(**{name: value for _, flaw in flaws[number:] for name, value in flaw.items()})
        assert cause_of(trusting, bearer(members, OTHER, kid=KEY.kid)) == cause
    assert cause_of(trusting, bearer(claims(tenant="north"), OTHER, kid=KEY.kid)) == "signature"


# -- replay ----------------------------------------------------------------------------------------


class Away:
    """A store that cannot be reached."""

    def first_use(self, iss: str, jti: str, until: float) -> bool:
        raise ReplayStoreAway("connection")


def test_a_token_counts_once() -> None:
    trusting = trust()
    assert [cause_of(trusting, bearer()) for _ in range(3)] == [None, "replay", "replay"]
    assert cause_of(trusting, bearer(claims(jti="nonce-2"))) is None


def test_a_nonce_is_the_issuers_own() -> None:
    other = "https://other.example.org"
    trusting = trust(issuer(), issuer(OTHER, iss=other))
    assert cause_of(trusting, bearer()) is None
    assert cause_of(trusting, bearer(claims(iss=other), OTHER)) is None


def test_a_forged_token_does_not_use_up_a_nonce() -> None:
    trusting = trust()
    assert cause_of(trusting, bearer(key=OTHER, kid=KEY.kid)) == "signature"
    assert cause_of(trusting, bearer()) is None


def test_a_token_is_remembered_until_it_has_expired() -> None:
    now = [float(NOW)]
    trusting = trust(now=lambda: now[0])
    assert cause_of(trusting, bearer()) is None
    now[0] = NOW + 359.5  # the leeway is included
    assert cause_of(trusting, bearer()) == "replay"
    now[0] = NOW + 360
    assert cause_of(trusting, bearer()) == "expired"


def test_replay_can_be_logged_only(caplog: pytest.LogCaptureFixture) -> None:
    """One suite of tests sends the same token several times on purpose."""
    trusting = trust(replay_mode="log")
    for _ in range(2):
        assert trusting.authenticate([PATH], bearer()).jti == "nonce-1"
    assert trusting.refusals == {"replay": 1}
    assert caplog.messages == [f"client authentication: replay (iss '{ISS}', tenant None, jti 'nonce-1')"]


def test_replay_can_be_off(caplog: pytest.LogCaptureFixture) -> None:
    trusting = trust(replay_mode="off", replay=Away())
    for _ in range(2):
        assert cause_of(trusting, bearer()) is None
    assert caplog.messages == []


@pytest.mark.parametrize(("mode", "unavailable"), [("strict", True), ("log", False)])
def test_a_store_that_is_away(mode: ReplayMode, unavailable: bool, caplog: pytest.LogCaptureFixture) -> None:
    trusting = trust(replay=Away(), replay_mode=mode)
    if unavailable:
        check_unavailable(trusting)
    else:
        assert trusting.authenticate([PATH], bearer()).jti == "nonce-1"
    assert trusting.refusals == {"replay-store-away": 1}
    assert caplog.messages == [f"client authentication: replay-store-away (iss '{ISS}', tenant None, jti 'nonce-1')"]


def check_unavailable(trusting: Trust) -> None:
    with pytest.raises(Unavailable) as caught:
        trusting.authenticate([PATH], bearer())
    assert caught.value.status == 503
    assert caught.value.headers == {"Retry-After": "5"}


class KeysElsewhere:
    """Keys on a server that does not answer."""

    def find(self, kid: str) -> Key | None:
        raise KeysAway


def test_keys_that_are_away(caplog: pytest.LogCaptureFixture) -> None:
    trusting = trust(issuer(keys=KeysElsewhere()))
    check_unavailable(trusting)
    assert trusting.refusals == {"keys-away": 1}
    assert caplog.messages == [f"client authentication: keys-away (iss '{ISS}')"]


# -- the log ---------------------------------------------------------------------------------------


def hostile(secret: str) -> Collection[str]:
    """A header for each kind of refusal, with a secret in every place that is not a registered name."""
    good = {"sub": secret, "tenant": "north", "jti": secret}
    signed: list[dict[str, object]] = [
        {"iss": secret},
        {"aud": secret},
        {"exp": NOW - 300, "iat": NOW - 600},
        {"iat": NOW + 300, "exp": NOW + 600},
        {"exp": NOW + 7200},
        {"exp": secret},
        {"tenant": secret},
        {"jti": ABSENT},
    ]
    header: dict[str, object] = {"typ": "JWT", "alg": "ES384", "kid": KEY.kid, "patient": secret}
    forged: list[dict[str, object]] = [
        {"typ": secret},
        {"alg": secret},
        {"crit": [secret]},
        {"kid": ""},
        {"kid": secret},
        {"jku": secret},
        {},
    ]
    return [
        secret,
        f"Bearer {secret}",
        f"Bearer {secret * 10_000}",
        *(bearer(claims(**{**good, **changes})) for changes in signed),
        *(f"Bearer {compact({**header, **changes}, claims(**good), b'x' * 96)}" for changes in forged),
    ]


def test_the_log_names_causes_and_nothing_a_client_wrote(caplog: pytest.LogCaptureFixture) -> None:
    secret = "Ottilie-Quast-1955"
    trusting = trust(issuer(jku=JKU, tenants=["north"]))
    headers = hostile(secret)
    with caplog.at_level(logging.DEBUG):
        causes = {cause_of(trusting, header) for header in headers}
    assert causes == {
        "no-token", "malformed", "too-long", "typ", "algorithm", "critical", "kid", "issuer", "jku", "audience",
        "time", "expired", "not-yet", "lifetime", "tenant", "jti", "key", "signature",
    }  # fmt: skip
    assert len(caplog.records) == len(headers)
    assert secret not in caplog.text
    pieces = {piece for header in headers for piece in header.split()[-1].split(".") if len(piece) > 8}
    assert [piece for piece in pieces if piece in caplog.text] == []
    told = {record.getMessage().partition(" (")[2] for record in caplog.records}
    assert told == {"iss unknown)", f"iss '{ISS}')"}


def test_what_a_client_wrote_cannot_break_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    trusting = trust()
    members = claims(jti="a\r\nERROR all is lost\x1b[2J\u2028\ud800", tenant="\n")
    assert cause_of(trusting, bearer(claims(**{**members, "tenant": "b\n"}))) is None
    assert cause_of(trusting, bearer(claims(**{**members, "tenant": "b\n"}))) == "replay"
    (message,) = caplog.messages
    assert message.isascii()
    assert message.isprintable()
    assert "jti 'a\\r\\nERROR all is lost\\x1b[2J\\u2028\\ud800'" in message


def test_no_token_shows_in_the_text_of_an_error() -> None:
    with pytest.raises(Unauthorized) as caught:
        trust().authenticate([PATH], bearer(key=OTHER, kid=KEY.kid))
    assert str(caught.value) == "login"
    assert caught.value.__cause__ is None
