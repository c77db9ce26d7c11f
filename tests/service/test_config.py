"""The settings: each layer over the one before, every flaw named at once, and production shut until it is safe."""

import datetime
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from service.config import IssuerSettings, QuietSettings, Settings, SettingsError, workers_by_default

ROOT = Path(__file__).resolve().parents[2]

ALGORITHMS = "ES256, ES384, ES512, RS256, RS384, RS512, PS256, PS384, PS512"

PRODUCTION = {
    "OSTEOHOOKS_MODE": "production",
    "OSTEOHOOKS_PUBLIC_BASE_URL": "https://cds.example.org/bone",
    "OSTEOHOOKS_ORIGINS": "https://ehr.example.org",
    "OSTEOHOOKS_WORKERS": "1",
}
ISSUER = """
[[issuers]]
iss = "https://ehr.example.org/auth"
jku = "https://ehr.example.org/jwks.json"
"""


def refused(
    environ: Mapping[str, str] | None = None,
    path: Path | None = None,
    command_line: Mapping[str, object] | None = None,
) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        Settings.load(environ or {}, path, command_line)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.toml"


def test_nothing_given_is_demo_mode_on_loopback() -> None:
    settings = Settings.load({"HOME": "/root"})
    assert (settings.mode, settings.host, settings.port) == ("demo", "127.0.0.1", 8080)
    assert (settings.language, settings.market, settings.today) == ("en", "cn", None)
    assert (settings.blocking_threads, settings.max_body_bytes) == (4, 8_388_608)
    assert (settings.time_limit_seconds, settings.drain_seconds) == (5.0, 20)
    assert (settings.origins, settings.issuers, settings.public_base_url) == (("*",), (), None)
    assert settings.allow_non_loopback is False
    assert (settings.algorithms, settings.open_discovery, settings.replay) == (("ES384", "RS384"), False, "strict")
    assert (settings.leeway_seconds, settings.max_token_lifetime_seconds) == (60, 3600)
    assert (settings.jwks_fresh_seconds, settings.jwks_usable_seconds) == (600, 86_400)
    assert (settings.jwks_cooldown_seconds, settings.jwks_timeout_seconds) == (30, 2.0)


@pytest.mark.parametrize(("cores", "workers"), [(None, 1), (1, 1), (2, 2), (64, 2)])
def test_workers_follow_the_cores_up_to_two(cores: int | None, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    assert workers_by_default() == workers
    assert Settings.load({}).workers == workers


def test_every_setting_from_the_file(file: Path) -> None:
    file.write_text(
        """
        mode = "demo"
        host = "::1"
        port = 9000
        allow_non_loopback = true
        workers = 3
        blocking_threads = 1
        max_body_bytes = 1000
        time_limit_seconds = 2
        drain_seconds = 3
        language = "zh"
        market = "us"
        leading_guideline = "hadji_2017_ai_bone_loss"
        today = 2026-10-01
        public_base_url = "http://localhost:9000"
        origins = ["https://a.example.org", "http://localhost:3000"]
        algorithms = ["ES256"]
        open_discovery = true
        replay = "log"
        leeway_seconds = 0
        max_token_lifetime_seconds = 300
        jwks_fresh_seconds = 60
        jwks_usable_seconds = 61
        jwks_cooldown_seconds = 1
        jwks_timeout_seconds = 0.5

        [[issuers]]
        iss = "https://a.example.org/auth"
        jku = "http://a.example.org:8081/jwks.json?v=1"
        tenants = ["north", "south"]
        audiences = ["osteohooks"]

        [[issuers]]
        iss = "urn:b"
        jwks_file = "b.jwks.json"

        [[issuers]]
        iss = "c"
        jwks.keys = [{kid = "1", kty = "EC"}]
        """
    )
    assert Settings.load({}, file) == Settings(
        mode="demo",
        host="::1",
        port=9000,
        allow_non_loopback=True,
        workers=3,
        blocking_threads=1,
        max_body_bytes=1000,
        time_limit_seconds=2.0,
        drain_seconds=3,
        language="zh",
        market="us",
        leading_guideline="hadji_2017_ai_bone_loss",
        today=datetime.date(2026, 10, 1),
        public_base_url="http://localhost:9000",
        origins=("https://a.example.org", "http://localhost:3000"),
        algorithms=("ES256",),
        open_discovery=True,
        replay="log",
        leeway_seconds=0,
        max_token_lifetime_seconds=300,
        jwks_fresh_seconds=60,
        jwks_usable_seconds=61,
        jwks_cooldown_seconds=1,
        jwks_timeout_seconds=0.5,
        issuers=(
            IssuerSettings(
                iss="https://a.example.org/auth",
                jku="http://a.example.org:8081/jwks.json?v=1",
                tenants=("north", "south"),
                audiences=("osteohooks",),
            ),
            IssuerSettings(iss="urn:b", jwks_file=str(file.parent / "b.jwks.json")),
            IssuerSettings(iss="c", jwks={"keys": [{"kid": "1", "kty": "EC"}]}),
        ),
    )


def test_every_setting_from_the_environment() -> None:
    settings = Settings.load(
        {
            "OSTEOHOOKS_MODE": "demo",
            "OSTEOHOOKS_HOST": "0.0.0.0",
            "OSTEOHOOKS_PORT": "9000",
            "OSTEOHOOKS_ALLOW_NON_LOOPBACK": "true",
            "OSTEOHOOKS_WORKERS": "3",
            "OSTEOHOOKS_BLOCKING_THREADS": "1",
            "OSTEOHOOKS_MAX_BODY_BYTES": "1000",
            "OSTEOHOOKS_TIME_LIMIT_SECONDS": "2",
            "OSTEOHOOKS_DRAIN_SECONDS": "3",
            "OSTEOHOOKS_LANGUAGE": "zh",
            "OSTEOHOOKS_MARKET": "eu",
            "OSTEOHOOKS_TODAY": "2026-10-01",
            "OSTEOHOOKS_PUBLIC_BASE_URL": "http://localhost:9000",
            "OSTEOHOOKS_ORIGINS": "https://a.example.org, http://localhost:3000",
            "OSTEOHOOKS_ALGORITHMS": "ES256, PS512",
            "OSTEOHOOKS_OPEN_DISCOVERY": "true",
            "OSTEOHOOKS_REPLAY": "off",
            "OSTEOHOOKS_LEEWAY_SECONDS": "300",
            "OSTEOHOOKS_MAX_TOKEN_LIFETIME_SECONDS": "1",
            "OSTEOHOOKS_JWKS_FRESH_SECONDS": "1",
            "OSTEOHOOKS_JWKS_USABLE_SECONDS": "2",
            "OSTEOHOOKS_JWKS_COOLDOWN_SECONDS": "3",
            "OSTEOHOOKS_JWKS_TIMEOUT_SECONDS": "10",
        }
    )
    assert settings == Settings(
        host="0.0.0.0",
        port=9000,
        allow_non_loopback=True,
        workers=3,
        blocking_threads=1,
        max_body_bytes=1000,
        time_limit_seconds=2.0,
        drain_seconds=3,
        language="zh",
        market="eu",
        today=datetime.date(2026, 10, 1),
        public_base_url="http://localhost:9000",
        origins=("https://a.example.org", "http://localhost:3000"),
        algorithms=("ES256", "PS512"),
        open_discovery=True,
        replay="off",
        leeway_seconds=300,
        max_token_lifetime_seconds=1,
        jwks_fresh_seconds=1,
        jwks_usable_seconds=2,
        jwks_cooldown_seconds=3,
        jwks_timeout_seconds=10.0,
    )


def test_tables_stand_in_the_file_only() -> None:
    """A variable holds one value or a plain list, so each of these would have to be a language of its own."""
    for text in ("https://ehr.example.org/auth", '[{"iss": "a"}]'):
        problems = refused({"OSTEOHOOKS_ISSUERS": text})
        assert problems == ("OSTEOHOOKS_ISSUERS: issuers are tables, which stand in the settings file only",)


def test_later_layers_win_and_what_is_not_given_does_not_count(file: Path) -> None:
    file.write_text('port = 1001\nworkers = 1\nlanguage = "zh"')
    environ = {"OSTEOHOOKS_CONFIG": str(file), "OSTEOHOOKS_PORT": "1002", "OSTEOHOOKS_LANGUAGE": ""}
    settings = Settings.load(environ, None, {"port": 1003, "workers": None})
    assert (settings.port, settings.workers, settings.language) == (1003, 1, "zh")
    assert Settings.load(environ).port == 1002


def test_the_file_named_on_the_command_line_wins(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("port = 1001")
    file.write_text("port = 1002")
    assert Settings.load({"OSTEOHOOKS_CONFIG": str(other)}, str(file)).port == 1002


def test_the_variable_of_the_test_suite_is_no_setting() -> None:
    assert Settings.load({"OSTEOHOOKS_REAL_PATIENTS": "patients"}) == Settings.load({})


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("port = 0", "expected a whole number from 1 to 65535, got 0"),
        ("port = 65536", "expected a whole number from 1 to 65535, got 65536"),
        ("port = true", "expected a whole number from 1 to 65535, got true"),
        ('port = "8080"', "expected a whole number from 1 to 65535, got text"),
        ("port = 1.5", "expected a whole number from 1 to 65535, got 1.5"),
        ("port = {a = 1}", "expected a whole number from 1 to 65535, got a table"),
        ("workers = 0", "expected a whole number, 1 or more, got 0"),
        ("blocking_threads = 0", "expected a whole number, 1 or more, got 0"),
        ("max_body_bytes = 0", "expected a whole number of bytes, 1 or more, got 0"),
        ("time_limit_seconds = 0", "expected a number above 0, got 0"),
        ("drain_seconds = 0.5", "expected a whole number of seconds, 1 or more, got 0.5"),
        ('mode = "test"', "expected demo or production, got text"),
        ('host = ""', "expected a host name or an address, got text"),
        ("allow_non_loopback = 1", "expected true or false, got 1"),
        ('language = "fr"', "expected en or zh, got text"),
        ('market = "uk"', "expected cn, us or eu, got text"),
        ("today = 2026-10-01T08:00:00", "expected a date, YYYY-MM-DD, got a date with a time"),
        (
            'public_base_url = "https://example.org/"',
            "expected an http or https address without a query or a closing slash, got text",
        ),
        (
            'public_base_url = "https://name:secret@example.org"',
            "expected an http or https address without a query or a closing slash, got text",
        ),
        (
            'origins = ["https://example.org/path"]',
            'expected a list of origins (https://ehr.example.org), or of "*" alone, got a list',
        ),
        ('origins = "*"', 'expected a list of origins (https://ehr.example.org), or of "*" alone, got text'),
        ('issuers = "a"', "expected a list of tables, each headed [[issuers]], got text"),
        ('issuers = ["a"]', "expected a list of tables, each headed [[issuers]], got a list"),
        ("issuers = {}", "expected a list of tables, each headed [[issuers]], got a table"),
        ('algorithms = ["none"]', f"expected a list of some of {ALGORITHMS}, got a list"),
        ('algorithms = ["ES384", "HS256"]', f"expected a list of some of {ALGORITHMS}, got a list"),
        ("algorithms = []", f"expected a list of some of {ALGORITHMS}, got a list"),
        ('open_discovery = "no"', "expected true or false, got text"),
        ('replay = "lax"', "expected strict, log or off, got text"),
        ("leeway_seconds = -1", "expected a whole number from 0 to 300, got -1"),
        ("leeway_seconds = 301", "expected a whole number from 0 to 300, got 301"),
        ("max_token_lifetime_seconds = 0", "expected a whole number, 1 or more, got 0"),
        ("jwks_fresh_seconds = 0", "expected a whole number, 1 or more, got 0"),
        ("jwks_usable_seconds = 0", "expected a whole number, 1 or more, got 0"),
        ("jwks_cooldown_seconds = 0", "expected a whole number, 1 or more, got 0"),
        ("jwks_timeout_seconds = 0", "expected a number above 0, up to 10, got 0"),
        ("jwks_timeout_seconds = 10.5", "expected a number above 0, up to 10, got 10.5"),
    ],
)
def test_a_wrong_value_names_setting_expectation_and_kind(line: str, problem: str, file: Path) -> None:
    file.write_text(line)
    name = line.partition(" ")[0]
    assert refused(path=file) == (f"{name} in {file}: {problem}",)


def test_a_value_that_may_be_a_secret_is_not_repeated(file: Path) -> None:
    file.write_text('public_base_url = "https://name:secret@example.org"')
    assert "secret" not in "".join(refused(path=file))


def test_all_flaws_are_named_at_once(file: Path) -> None:
    file.write_text("prot = 8080\nsomething_else = 1")
    assert refused({"OSTEOHOOKS_WORKER": "2", "OSTEOHOOKS_PORT": "high"}, file, {"blocking_threads": 0}) == (
        f"prot in {file}: there is no such setting; did you mean port?",
        f"something_else in {file}: there is no such setting",
        "OSTEOHOOKS_PORT: expected a whole number from 1 to 65535, got text",
        "OSTEOHOOKS_WORKER: there is no such setting; did you mean workers?",
        "--blocking-threads: expected a whole number, 1 or more, got 0",
    )


def test_a_file_that_cannot_be_read_is_named(file: Path) -> None:
    assert refused(path=file) == (f"settings file {file}: cannot be read: No such file or directory",)
    file.write_bytes(b'language = "\xff"')
    assert refused(path=file) == (f"settings file {file}: expected UTF-8 text",)
    file.write_text("port = @")
    (problem,) = refused(path=file)
    assert problem.startswith(f"settings file {file}: expected TOML: ")
    assert "line 1" in problem


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_demo_mode_binds_loopback(host: str) -> None:
    assert Settings.load({"OSTEOHOOKS_HOST": host}).host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "ehr.example.org", "127.1"])
def test_demo_mode_binds_another_address_only_when_told_so(host: str) -> None:
    (problem,) = refused({"OSTEOHOOKS_HOST": host})
    assert problem.startswith("host: demo mode")
    assert "allow_non_loopback" in problem
    assert Settings.load({"OSTEOHOOKS_HOST": host, "OSTEOHOOKS_ALLOW_NON_LOOPBACK": "true"}).host == host


def test_production_with_the_whole_of_its_settings(file: Path) -> None:
    file.write_text(ISSUER)
    settings = Settings.load(PRODUCTION | {"OSTEOHOOKS_HOST": "0.0.0.0"}, file)
    assert (settings.mode, settings.host) == ("production", "0.0.0.0")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"OSTEOHOOKS_ORIGINS": ""},
            'origins: production needs a list of the origins that may call, without "*"',
        ),
        (
            {"OSTEOHOOKS_ORIGINS": "https://ehr.example.org,*"},
            'origins: production needs a list of the origins that may call, without "*"',
        ),
        (
            {"OSTEOHOOKS_PUBLIC_BASE_URL": ""},
            "public_base_url: production needs the https address under which clients reach the service",
        ),
        (
            {"OSTEOHOOKS_PUBLIC_BASE_URL": "http://cds.example.org"},
            "public_base_url: production needs the https address under which clients reach the service",
        ),
        ({"OSTEOHOOKS_TODAY": "2026-10-01"}, "today: the clock can be set in demo mode only"),
    ],
)
def test_production_needs_the_whole_of_its_settings(change: dict[str, str], problem: str, file: Path) -> None:
    file.write_text(ISSUER)
    assert refused(PRODUCTION | change, file) == (problem,)


def test_production_needs_issuers(file: Path) -> None:
    problem = "issuers: production needs the issuers of the clients that may call"
    assert refused(PRODUCTION) == (problem,)
    file.write_text("issuers = []")
    assert refused(PRODUCTION, file) == (problem,)


def test_production_with_an_empty_list_of_origins(file: Path) -> None:
    file.write_text("origins = []" + ISSUER)
    environ = {key: value for key, value in PRODUCTION.items() if key != "OSTEOHOOKS_ORIGINS"}
    assert refused(environ, file)[0].startswith("origins: ")


@pytest.mark.parametrize("replay", ["log", "off"])
def test_more_workers_when_a_token_may_count_more_than_once(replay: str, file: Path) -> None:
    file.write_text(ISSUER)
    environ = PRODUCTION | {"OSTEOHOOKS_WORKERS": "2", "OSTEOHOOKS_REPLAY": replay}
    assert Settings.load(environ, file).workers == 2


SANDBOX = "issuers[0]: the keys of sandbox.cds-hooks.org are public; it can call in demo mode only"


@pytest.mark.parametrize(
    ("issuer", "problem"),
    [
        ('iss = "a"', "issuers[0]: needs one of jku, jwks_file and jwks"),
        ('iss = "a"\njku = "https://a.example"\njwks_file = "a"', "issuers[0]: needs one of jku, jwks_file and jwks"),
        ('iss = "a"\njwks_file = "a"\njwks = {}', "issuers[0]: needs one of jku, jwks_file and jwks"),
        ('iss = "a"\njku = "http://a.example"', "issuers[0].jku: production fetches keys over https only"),
        ('iss = "https://sandbox.cds-hooks.org"\njwks = {}', SANDBOX),
        ('iss = "https://Sandbox.CDS-Hooks.org./"\njwks = {}', SANDBOX),
        ('iss = "a"\njku = "https://sandbox.cds-hooks.org:443/.well-known/jwks.json"', SANDBOX),
        (
            'iss = "a"\njwks = {}\n[[issuers]]\niss = "a"\njwks = {}',
            "issuers[1].iss: this issuer stands there already",
        ),
    ],
)
def test_an_issuer_that_production_refuses(issuer: str, problem: str, file: Path) -> None:
    file.write_text(f"[[issuers]]\n{issuer}")
    assert refused(PRODUCTION, file) == (problem,)


@pytest.mark.parametrize("iss", ["https://sandbox.cds-hooks.org.example.org", "https://[", "urn:sandbox.cds-hooks.org"])
def test_an_issuer_that_only_looks_like_the_sandbox(iss: str, file: Path) -> None:
    file.write_text(f'[[issuers]]\niss = "{iss}"\njwks = {{}}')
    assert Settings.load(PRODUCTION, file).issuers[0].iss == iss


@pytest.mark.parametrize(
    "issuer",
    [
        'iss = "https://sandbox.cds-hooks.org"\njku = "https://sandbox.cds-hooks.org/.well-known/jwks.json"',
        'iss = "a"\njku = "http://127.0.0.1:8081/jwks.json"',
    ],
)
def test_demo_mode_takes_issuers_that_production_refuses(issuer: str, file: Path) -> None:
    file.write_text(f'public_base_url = "http://127.0.0.1:8080"\n[[issuers]]\n{issuer}')
    assert len(Settings.load({}, file).issuers) == 1


def test_demo_mode_with_issuers_needs_the_address_that_tokens_are_for(file: Path) -> None:
    file.write_text(ISSUER)
    (problem,) = refused(path=file)
    assert problem == "public_base_url: tokens are for an address; with issuers, set the one under which clients call"


def test_each_flaw_of_each_issuer_is_named(file: Path) -> None:
    file.write_text(
        """
        port = 0
        [[issuers]]
        is = "a"
        jku = "ftp://secret.example"
        [[issuers]]
        iss = "a b"
        jwks_file = ""
        jwks = "{}"
        tenants = "north"
        audiences = [1]
        something_else = 1
        """
    )
    assert refused(path=file) == (
        f"port in {file}: expected a whole number from 1 to 65535, got 0",
        f"issuers[0].is in {file}: there is no such setting; did you mean iss?",
        f"issuers[0].jku in {file}: expected the http or https address of the client's JWK set, got text",
        f"issuers[0] in {file}: iss is missing; expected the `iss` claim of the client's tokens",
        f"issuers[1].iss in {file}: expected the `iss` claim of the client's tokens, got text",
        f"issuers[1].jwks_file in {file}: expected a file with the client's JWK set, got text",
        f"issuers[1].jwks in {file}: expected the client's JWK set as a table, got text",
        f"issuers[1].tenants in {file}: expected a list of tenants as tokens name them in `tenant`, got text",
        f"issuers[1].audiences in {file}: expected a list of further values to take in `aud`, got a list",
        f"issuers[1].something_else in {file}: there is no such setting",
    )


def test_settings_do_not_change() -> None:
    settings: Any = Settings()
    with pytest.raises(AttributeError):
        settings.port = 1


def test_the_shipped_production_file_starts_once_it_is_filled_in() -> None:
    settings = Settings.load({}, ROOT / "deploy" / "production.toml")
    assert settings.mode == "production"
    assert [issuer.iss for issuer in settings.issuers] == ["https://ehr.example.org/auth"]


# Lines that each site fills in for itself.
MADE_UP = ("database", "state_directory", "comment_keys", "pseudonym_keys")


def settings_shown(lines: Sequence[str]) -> set[str]:
    return {line.lstrip("# ").partition(" = ")[0] for line in lines if re.match(r"(# )?[a-z_]+ = ", line)}


def test_the_shipped_production_file_shows_every_setting_of_production() -> None:
    lines = (ROOT / "deploy" / "production.toml").read_text(encoding="utf-8").splitlines()
    tables = lines.index("[[issuers]]")
    quiet = lines.index("# [[quiet]]")
    assert settings_shown(lines[:quiet]) == set(Settings.__struct_fields__) - {
        "today",
        "allow_non_loopback",
        "issuers",
        "fhir_servers",
        "private_fhir_servers",
        "quiet",
    }
    assert settings_shown(lines[quiet:tables]) == set(QuietSettings.__struct_fields__)
    assert settings_shown(lines[tables:]) == set(IssuerSettings.__struct_fields__)


def test_the_shipped_production_file_shows_the_defaults() -> None:
    """Those of the checks on clients: whoever leaves a line out gets what the line says."""
    shipped, defaults = Settings.load({}, ROOT / "deploy" / "production.toml"), Settings()
    names = Settings.__struct_fields__[Settings.__struct_fields__.index("algorithms") :]
    names = tuple(name for name in names if name not in MADE_UP)
    assert len(names) == 17
    for name in names:
        assert getattr(shipped, name) == getattr(defaults, name)


# -- the store ---------------------------------------------------------------------------------------------------------

PSEUDONYM_KEY = "0123456789abcdef0123456789abcdef"
POSTGRESQL = "postgresql://osteohooks@db.example.org/osteohooks"


def test_the_store_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = Settings.load({})
    assert (settings.database, settings.state_directory) == (None, str(tmp_path / "osteohooks"))
    assert (settings.comments, settings.comment_keys, settings.pseudonym_keys) == ("drop", (), ())
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/osteohooks:/var/lib/other")  # as systemd sets it
    assert Settings.load({}).state_directory == "/var/lib/osteohooks"
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "/home/clinic")
    assert Settings.load({}).state_directory == "/home/clinic/.local/state/osteohooks"


def test_the_store_as_the_site_has_it() -> None:
    settings = Settings.load(
        {
            "OSTEOHOOKS_DATABASE": POSTGRESQL,
            "OSTEOHOOKS_STATE_DIRECTORY": "state",
            "OSTEOHOOKS_COMMENTS": "encrypt",
            "OSTEOHOOKS_COMMENT_KEYS": "new,old",
            "OSTEOHOOKS_PSEUDONYM_KEYS": f"{PSEUDONYM_KEY},{PSEUDONYM_KEY[::-1]}",
        }
    )
    assert (settings.database, settings.state_directory, settings.comments) == (POSTGRESQL, "state", "encrypt")
    assert settings.comment_keys == ("new", "old")
    assert settings.pseudonym_keys == (PSEUDONYM_KEY, PSEUDONYM_KEY[::-1])


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        (
            {"OSTEOHOOKS_DATABASE": "mysql://Quast"},
            "OSTEOHOOKS_DATABASE: expected the address of a PostgreSQL database, postgresql://USER@HOST/NAME, got text",
        ),
        (
            {"OSTEOHOOKS_PSEUDONYM_KEYS": PSEUDONYM_KEY[1:]},
            "OSTEOHOOKS_PSEUDONYM_KEYS: expected a list of keys of 32 characters or more, the newest first, got a list",
        ),
        ({"OSTEOHOOKS_COMMENTS": "keep"}, "OSTEOHOOKS_COMMENTS: expected drop or encrypt, got text"),
        ({"OSTEOHOOKS_COMMENTS": "encrypt"}, "comment_keys: comments = encrypt needs one or more keys"),
        (
            {"OSTEOHOOKS_DATABASE": POSTGRESQL},
            "pseudonym_keys: machines that share a database need the same keys; set one or more",
        ),
    ],
)
def test_a_store_that_is_refused(environ: dict[str, str], problem: str) -> None:
    assert refused(environ) == (problem,)
