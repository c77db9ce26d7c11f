"""A request: parsed in one typed pass, or refused with 400.

Only when that pass fails is the body read again, key by key and entry by entry, so that one broken resource does not
cost the others: the same structures, the same code after, and what could not be read is reported, never dropped.
"""

from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial
from types import GenericAlias
from typing import Annotated, Any, Final, Generic, NamedTuple

import msgspec
from msgspec import Meta, Raw, Struct

from cds_hooks.bodies import NOT_JSON, TOO_DEEP, bad_request, check_text, malformed
from cds_hooks.caller import Caller
from cds_hooks.hooks import HOOKS, Hook, Kind
from cds_hooks.prefetch import UNDECODABLE, Entry, Pieces, R, Received, Unreadable, isolated, received, salvaged
from cds_hooks.schema import Schema, load

__all__ = ["Authorization", "HookRequest", "Parser"]

# `$` also matches before a last line break, hence the look-ahead. The schemas in `schemas/` say the same.
_NotBlank = Annotated[str, Meta(pattern=r"\S")]
_Uuid = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(?!\n)$")]
_Url = Annotated[str, Meta(pattern=r"^https?://[^\s/]+(/\S*)?(?!\n)$")]
# One segment of a URL path. Some clients send the type as well, though the standard says the bare id.
_PatientId = Annotated[str, Meta(pattern=r"^(Patient/)?[A-Za-z0-9._~:-]+(?!\n)$")]
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

    `received` has an item for each advertised key that the client sent; `drafts` are the draft orders;
    `unreadable` is what of both could not be read; `caller` is None where clients need not prove who they are. No
    datum of the patient shows in a text of this object.
    """

    hook: Hook
    hook_instance: str
    patient_id: str
    user_id: str
    encounter_id: str | None
    selections: tuple[str, ...]
    drafts: tuple[Entry[R], ...]
    received: Mapping[str, Received[R]]
    unreadable: tuple[Unreadable, ...]
    fhir_server: str | None
    authorization: Authorization | None
    caller: Caller | None = None

    def __repr__(self) -> str:
        return f"HookRequest({self.hook.name}, {self.hook_instance})"


class _Reading(NamedTuple):
    """One way to read a request: its envelope, its Bundle of draft orders, and the value of a prefetch key."""

    envelope: msgspec.json.Decoder[Any]
    bundle: Callable[[str, Any, list[Unreadable]], Received[Any]]
    value: Callable[[str, Any, list[Unreadable]], Received[Any]]


class _Readings(NamedTuple):
    whole: _Reading
    piecewise: _Reading
    schema: Schema


class Parser(Generic[R]):
    """Parses the requests of some hooks, their resources into `resource_type`, a msgspec structure."""

    def __init__(self, resource_type: type[R], hooks: Iterable[Hook] = HOOKS.values()) -> None:
        value = _or_null(resource_type)
        decoder: msgspec.json.Decoder[R | None] = msgspec.json.Decoder(value)
        read_pieces, read_raw = partial(salvaged, decoder), partial(isolated, decoder)
        self._readings = {
            hook.name: _Readings(
                _Reading(_envelope(hook, resource_type, value), received, received),
                _Reading(_envelope(hook, Pieces, Raw), read_pieces, read_raw),
                load(hook.name),
            )
            for hook in hooks
        }

    @property
    def hooks(self) -> frozenset[str]:
        """The names of the hooks whose requests this parser takes."""
        return frozenset(self._readings)

    def parse(
        self, body: bytes, hook: Hook, keys: Container[str] | None = None, caller: Caller | None = None
    ) -> HookRequest[R]:
        """The request in `body`, or BadRequest with every flaw of its envelope.

        `keys` are the prefetch keys that the service advertises; others are passed over. None takes every key.
        `caller` is who sent the body, as far as that was proved.
        """
        reading, piecewise, schema = self._readings[hook.name]
        check_text(body)
        try:
            envelope = reading.envelope.decode(body)
        except UNDECODABLE:
            reading = piecewise
            envelope = _decoded(body, reading.envelope, schema)
        context, authorization, orders = envelope.context, envelope.fhirAuthorization, hook.orders
        bundle = None if orders is None else getattr(context, orders)
        if (
            envelope.hook != hook.name
            or (authorization is not None and envelope.fhirServer is None)
            or (bundle is not None and bundle.resourceType != "Bundle")
        ):
            raise bad_request(body, schema)
        unreadable: list[Unreadable] = []
        drafts = () if orders is None else reading.bundle(orders, bundle, unreadable).entries
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
            caller=caller,
        )


_CONTEXT: Final[Mapping[Kind, Any]] = {
    "patient": _PatientId,
    "id": _NotBlank,
    "user": _NotBlank,
    "references": list[_NotBlank],
}


def _envelope(hook: Hook, bundle: Any, value: Any) -> msgspec.json.Decoder[Any]:
    """The decoder of a hook's requests, a Bundle in its context read as `bundle`, a prefetch value as `value`."""
    kinds = {**_CONTEXT, "bundle": bundle}
    context = msgspec.defstruct(
        "Context",
        [
            (field.name, kinds[field.kind]) if field.required else (field.name, _or_null(kinds[field.kind]), None)
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
    except RecursionError:
        raise malformed(TOO_DEEP) from None
