"""A request: parsed in one typed pass, or refused with 400.

Only when that pass fails is the body read again, key by key and entry by entry, so that one broken resource does not
cost the others: the same structures, the same code after, and what could not be read is reported, never dropped.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial
from itertools import islice
from types import GenericAlias
from typing import Annotated, Any, Final, Generic, NamedTuple
from zlib import crc32

import msgspec
from msgspec import Meta, Raw, Struct

from cds_hooks.bodies import NOT_JSON, bad_request, check_text, malformed
from cds_hooks.caller import Caller
from cds_hooks.errors import BadRequest
from cds_hooks.hooks import HOOKS, Hook, Kind
from cds_hooks.prefetch import UNDECODABLE, Entry, Pieces, R, Received, Unreadable, isolated, received, salvaged
from cds_hooks.releases import older_drafts
from cds_hooks.schema import Schema, load

__all__ = ["Authorization", "HookRequest", "Parser"]

# `$` also matches before a last line break, hence the look-ahead. White space is what Python or ECMA-262 takes for it,
# whose `\s` differ. The schemas in `schemas/` say the same.
_SPACE: Final = r"\s\u001c-\u001f\u0085\ufeff"
_NotBlank = Annotated[str, Meta(pattern=f"[^{_SPACE}]")]
_Uuid = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?!\n)$")]
_Url = Annotated[str, Meta(pattern=rf"^https?://[^{_SPACE}/]+(/[^{_SPACE}]*)?(?!\n)$")]
# One segment of a URL path. Some clients send the type as well, though the standard says the bare id.
# FHIR has 64 characters at most and some servers more; it stands in every order that a card suggests.
_PatientId = Annotated[str, Meta(pattern=r"^(Patient/)?[A-Za-z0-9._~:-]+(?!\n)$", max_length=255)]
_Whole = Annotated[float, Meta(multiple_of=1)]  # 3600.0 is an integer in JSON Schema, and some clients write it so


class Authorization(Struct, frozen=True, kw_only=True):
    """The caller's leave to use the FHIR server; the token shows in no text of this object."""

    access_token: _NotBlank
    token_type: Annotated[str, Meta(pattern=r"^Bearer(?!\n)$")]
    expires_in: _Whole
    scope: _NotBlank
    subject: _NotBlank
    patient: _NotBlank | None = None

    def __repr__(self) -> str:
        return "Authorization(...)"


class HookRequest(Struct, Generic[R], frozen=True, kw_only=True):
    """A request that can be answered.

    `received` has an item for each advertised key that the client sent; `drafts` are the orders or problems in hand;
    `unreadable` is what of both could not be read; `caller` is None where clients need not prove who they are.
    `checksum` is that of the body (CRC-32), which tells a repeat from another body of the same hookInstance.
    `not_had` has, for each key that was asked for at the FHIR server in vain, the cause in one word. No datum of the
    patient shows in a text of this object.
    """

    hook: Hook
    hook_instance: str
    patient_id: str
    user_id: str | None
    encounter_id: str | None
    selections: tuple[str, ...]
    drafts: tuple[Entry[R], ...]
    received: Mapping[str, Received[R]]
    unreadable: tuple[Unreadable, ...]
    fhir_server: str | None
    authorization: Authorization | None
    checksum: int
    caller: Caller | None = None
    not_had: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"HookRequest({self.hook.name}, {self.hook_instance})"


class _Reading(NamedTuple):
    """One way to read a request: its envelope, and the value of a prefetch key."""

    envelope: msgspec.json.Decoder[Any]
    value: Callable[[str, Any, list[Unreadable]], Received[Any]]


class _Readings(NamedTuple):
    whole: _Reading
    piecewise: _Reading
    schema: Schema


class Parser(Generic[R]):
    """Parses the requests of some hooks, their resources into `resource_type`, a msgspec structure."""

    def __init__(self, resource_type: type[R], hooks: Iterable[Hook] = HOOKS.values()) -> None:
        value = _or_null(resource_type)
        self._decoder: msgspec.json.Decoder[R | None] = msgspec.json.Decoder(value)
        self._value = read_raw = partial(isolated, self._decoder)
        self._readings = {
            hook.name: _Readings(
                _Reading(_envelope(hook, value), received),
                _Reading(_envelope(hook, Raw), read_raw),
                load(hook.name),
            )
            for hook in hooks
        }

    @property
    def hooks(self) -> frozenset[str]:
        """The names of the hooks whose requests this parser takes."""
        return frozenset(self._readings)

    def read(self, key: str, value: Raw, unreadable: list[Unreadable]) -> Received[R]:
        """The meaning of a value that was had for a prefetch key; what cannot be read of it joins `unreadable`."""
        return self._value(key, value, unreadable)

    def parse(
        self, body: bytes, hook: Hook, keys: Container[str] | None = None, caller: Caller | None = None
    ) -> HookRequest[R]:
        """The request in `body`, or BadRequest with every flaw of its envelope.

        `keys` are the prefetch keys that the service advertises; others are passed over. None takes every key.
        `caller` is who sent the body, as far as that was proved.
        """
        reading, piecewise, schema = self._readings[hook.name]
        checksum = crc32(body)  # before anything is made of the body, while it is in the processor's caches
        check_text(body)
        try:
            envelope = reading.envelope.decode(body)
        except UNDECODABLE:
            reading = piecewise
            envelope = _decoded(body, reading.envelope, schema)
        context, authorization = envelope.context, envelope.fhirAuthorization
        bundle: Pieces | None = None if hook.drafts is None else getattr(context, hook.drafts)
        if (
            envelope.hook != hook.name
            or (authorization is not None and envelope.fhirServer is None)
            or (bundle is not None and bundle.resourceType != "Bundle")
        ):
            raise bad_request(body, schema)
        unreadable: list[Unreadable] = []
        drafts = () if hook.drafts is None else self._drafts(hook.drafts, getattr(context, hook.drafts), unreadable)
        return HookRequest(
            hook=hook,
            hook_instance=envelope.hookInstance,
            patient_id=context.patientId.removeprefix("Patient/"),
            user_id=context.userId,
            encounter_id=context.encounterId,
            selections=() if hook.selections is None else tuple(getattr(context, hook.selections)),
            drafts=drafts,
            received={
                key: reading.value(key, value, unreadable)
                for key, value in (envelope.prefetch or {}).items()
                if keys is None or key in keys
            },
            unreadable=tuple(unreadable),
            fhir_server=envelope.fhirServer,
            authorization=authorization,
            checksum=checksum,
            caller=caller,
        )

    def _drafts(self, member: str, bundle: Pieces, unreadable: list[Unreadable]) -> tuple[Entry[R], ...]:
        """The resources of the context's Bundle, each read by itself. BadRequest for those of FHIR before R4."""
        older = tuple(islice(older_drafts(member, bundle.entry or ()), _MOST_ISSUES))
        if older:
            raise BadRequest(*older)
        return salvaged(self._decoder, member, bundle, unreadable).entries


# Of a thousand like faults the first few tell a developer enough.
_MOST_ISSUES: Final = 20

_CONTEXT: Final[Mapping[Kind, Any]] = {
    "patient": _PatientId,
    "id": _NotBlank,
    "user": _NotBlank,
    "references": list[_NotBlank],
    "bundle": Pieces,
}


def _envelope(hook: Hook, value: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of a hook's requests, a prefetch value read as `value`."""
    context = msgspec.defstruct(
        "Context",
        [
            (field.name, _CONTEXT[field.kind]) if field.required else (field.name, _or_null(_CONTEXT[field.kind]), None)
            for field in hook.context
        ],
        kw_only=True,
    )
    envelope = msgspec.defstruct(
        "Envelope",
        [
            ("hook", str),
            ("hookInstance", _Uuid),
            ("context", context),
            ("fhirServer", _or_null(_Url), None),
            ("fhirAuthorization", _or_null(Authorization), None),
            ("prefetch", _or_null(GenericAlias(dict, (str, value))), None),
        ],
    )
    return msgspec.json.Decoder(envelope)


def _or_null(kind: Any) -> Any:
    return kind | None


def _decoded(body: bytes, decoder: msgspec.json.Decoder[Any], schema: Schema) -> Any:
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise bad_request(body, schema) from None
    except msgspec.DecodeError as error:
        raise malformed(NOT_JSON, str(error)) from None
