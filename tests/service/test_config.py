"""The settings: each layer over the one before, every flaw named at once, and production shut until it is safe."""

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from service.config import CLIENT_AUTHENTICATION, Settings, SettingsError, workers_by_default

ROOT = Path(__file__).resolve().parents[2]

PRODUCTION = {
    "OSTEOHOOKS_MODE": "production",
    "OSTEOHOOKS_PUBLIC_BASE_URL": "https://cds.example.org/bone",
    "OSTEOHOOKS_ORIGINS": "https://ehr.example.org",
    "OSTEOHOOKS_ISSUERS": "https://ehr.example.org/auth",
}


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
    assert (settings.origins, settings.issuers, settings.public_base_url) == (("*",), (), None)
    assert settings.allow_non_loopback is False


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
        language = "zh"
        market = "us"
        today = 2026-10-01
        public_base_url = "http://localhost:9000"
        origins = ["https://a.example.org", "http://localhost:3000"]
        issuers = ["https://a.example.org/auth"]
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
        language="zh",
        market="us",
        today=datetime.date(2026, 10, 1),
        public_base_url="http://localhost:9000",
        origins=("https://a.example.org", "http://localhost:3000"),
        issuers=("https://a.example.org/auth",),
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
            "OSTEOHOOKS_LANGUAGE": "zh",
            "OSTEOHOOKS_MARKET": "eu",
            "OSTEOHOOKS_TODAY": "2026-10-01",
            "OSTEOHOOKS_PUBLIC_BASE_URL": "http://localhost:9000",
            "OSTEOHOOKS_ORIGINS": "https://a.example.org, http://localhost:3000",
            "OSTEOHOOKS_ISSUERS": "urn:a,urn:b",
        }
    )
    assert settings == Settings(
        host="0.0.0.0",
        port=9000,
        allow_non_loopback=True,
        workers=3,
        blocking_threads=1,
        max_body_bytes=1000,
        language="zh",
        market="eu",
        today=datetime.date(2026, 10, 1),
        public_base_url="http://localhost:9000",
        origins=("https://a.example.org", "http://localhost:3000"),
        issuers=("urn:a", "urn:b"),
    )


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
        ('issuers = ["a b"]', "expected a list of issuers as tokens name them in `iss`, got a list"),
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


def test_production_refuses_to_start_without_client_authentication() -> None:
    assert refused(PRODUCTION | {"OSTEOHOOKS_HOST": "0.0.0.0"}) == (CLIENT_AUTHENTICATION,)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"OSTEOHOOKS_ISSUERS": ""}, "issuers: production needs the issuers of the clients that may call"),
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
def test_production_needs_the_whole_of_its_settings(change: dict[str, str], problem: str) -> None:
    assert refused(PRODUCTION | change) == (problem, CLIENT_AUTHENTICATION)


def test_production_with_an_empty_list_of_origins(file: Path) -> None:
    file.write_text("origins = []")
    environ = {key: value for key, value in PRODUCTION.items() if key != "OSTEOHOOKS_ORIGINS"}
    assert refused(environ, file)[0].startswith("origins: ")


def test_settings_do_not_change() -> None:
    settings: Any = Settings()
    with pytest.raises(AttributeError):
        settings.port = 1


def test_the_shipped_production_file_lacks_nothing_but_client_authentication() -> None:
    assert refused(path=ROOT / "deploy" / "production.toml") == (CLIENT_AUTHENTICATION,)


def test_the_shipped_production_file_shows_every_setting_of_production() -> None:
    text = (ROOT / "deploy" / "production.toml").read_text(encoding="utf-8")
    shown = {line.lstrip("# ").partition(" = ")[0] for line in text.splitlines() if " = " in line}
    assert shown == set(Settings.__struct_fields__) - {"today", "allow_non_loopback"}
