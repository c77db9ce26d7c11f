"""Who may call, from the settings: the issuers with their keys, and the checks a site has chosen."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from cds_hooks import MemoryReplay, ReplayStore
from cds_hooks.addresses import addresses, public_addresses
from cds_hooks.key_server import FetchedKeys, download
from cds_hooks.keys import Keys, PinnedKeys
from cds_hooks.trust import Issuer, Trust
from service import metrics
from service.config import IssuerSettings, Settings, SettingsError

__all__ = ["trust_of"]


def trust_of(settings: Settings, replay: ReplayStore | None = None) -> Trust | None:
    """What checks the clients' tokens; None in demo mode without issuers, where anybody on this machine may call.

    Used ones are remembered in `replay`; without it they are by this process alone.
    Raises SettingsError with every flaw of the settings, and of the key files they name.
    """
    settings.judge()
    problems: list[str] = []
    issuers = list(_issuers(settings, problems))
    if problems:
        raise SettingsError(problems)
    if settings.mode == "demo" and not issuers:
        return None
    assert settings.public_base_url is not None
    return Trust(
        issuers,
        settings.public_base_url,
        replay=replay or MemoryReplay(),
        replay_mode=settings.replay,
        algorithms=settings.algorithms,
        leeway=settings.leeway_seconds,
        longest=settings.max_token_lifetime_seconds,
        on_refusal=metrics.caller_refused,
    )


def _issuers(settings: Settings, problems: list[str]) -> Iterator[Issuer]:
    for number, issuer in enumerate(settings.issuers):
        try:
            keys = _keys(issuer, settings)
        except OSError as error:
            problems.append(f"issuers[{number}].jwks_file: cannot be read: {error.strerror}")
        except ValueError as error:
            problems.append(f"issuers[{number}].{'jwks_file' if issuer.jwks is None else 'jwks'}: {error}")
        else:
            yield Issuer(
                iss=issuer.iss,
                keys=keys,
                jku=issuer.jku,
                tenants=frozenset(issuer.tenants),
                audiences=frozenset(issuer.audiences),
            )


def _keys(issuer: IssuerSettings, settings: Settings) -> Keys:
    if issuer.jku is not None:
        return FetchedKeys(
            issuer.jku,
            fetch=partial(download, resolve=public_addresses if settings.mode == "production" else addresses),
            fresh=settings.jwks_fresh_seconds,
            usable=settings.jwks_usable_seconds,
            cooldown=settings.jwks_cooldown_seconds,
            timeout=settings.jwks_timeout_seconds,
        )
    if issuer.jwks_file is not None:
        return PinnedKeys(Path(issuer.jwks_file).read_bytes(), settings.algorithms)
    return PinnedKeys(msgspec.json.encode(issuer.jwks), settings.algorithms)
