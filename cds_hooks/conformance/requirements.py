"""What a CDS service has to keep, by number, and why some of it cannot be checked from outside.

The numbering A.1-1 to A.11-70 is this project's own; the words sum up CDS Hooks 2.0.1 and, where they say so, the 3.0
ballot of 2026 (R3) or a rule of good engineering that neither text has.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["REASONS", "REQUIREMENTS"]

_SECTIONS: Final[Mapping[str, Mapping[int, str]]] = {
    "A.1": {
        1: "JSON over HTTPS in production",
        2: "no null, empty string, empty list or empty object, except an empty list of cards or services",
        3: "no comments and no trailing commas",
        4: "an answer in the order of 500 ms",
        5: "application/json in, with or without a charset, and application/json out",
        6: "unknown members are passed over",
    },
    "A.2": {
        7: "discovery by GET at exactly {base}/cds-services, answered with 200",
        8: "discovery answers an object with a list of services, which may be empty",
        9: "each service has hook, id and description, and the other members of the right type",
        10: "one id for several hooks means that new cards replace the old ones",
        11: "discovery may answer other 4xx and 5xx",
        12: "a protected discovery takes a token whose audience is the discovery URL",
        13: "the hooks and features supported are documented for people (3.0)",
    },
    "A.3": {
        14: "a request has hook, hookInstance and context; fhirAuthorization needs fhirServer",
        15: "the order of members and the kind of user do not matter",
        16: "a required member that is missing or of the wrong type gives 400, never 404 or 500",
        17: "404, 405 with Allow, 413, 415, 429, 503 where they apply, with an OperationOutcome",
        18: "the same call again gives the same answer with the same ids",
    },
    "A.4": {
        19: "a template is a relative FHIR read or search",
        20: "tokens stand between {{ and }}",
        21: "a token of 2.0 is a root-level primitive of the context, or one of four user ids",
        22: "a token of the 3.0 ballot may also be a date, a path, ofType, resolve, or several of these",
        23: "a template may use the result of an earlier one, without cycles (3.0)",
        24: "templates keep to the small part of FHIR search that every client has",
        25: "prefetched data are what the service itself would get under the rights of the user",
        26: "templates are short and use what clients resolve today",
        27: "only members that the hook marks as prefetch tokens are used as tokens",
    },
    "A.5": {
        28: "the service fetches what it asked for and did not receive, if it can",
        29: "412 when required data cannot be had",
        30: "prefetched data are looked through for OperationOutcomes",
        31: "further pages of a prefetched Bundle are fetched",
        32: "each kind of prefetch value has its own meaning, and none is a fault",
    },
    "A.6": {
        33: "fhirAuthorization has access_token, token_type, expires_in, scope and subject",
        34: "the access token goes with every call to the FHIR server",
        35: "the access token is never stored, shared or logged",
        36: "prefetch alone is enough, or access alone",
        37: "the FHIR server is one that is allowed, over https, with deadlines and size limits",
    },
    "A.7": {
        38: "success is 200 with a list of cards, perhaps an empty one",
        39: "an error carries an OperationOutcome (3.0)",
        40: "a card has summary, indicator and source, and its other members of the right form",
        41: "a suggestion has a label; with at-most-one, at most one is recommended",
        42: "an action has a type, a description and a resource, or what to delete",
        43: "systemActions is a list of actions",
        44: "a link has label, url and type; only a smart one has an appContext",
        45: "a coding has code and system, and a display as an override reason",
        46: "override reasons use the published codes where these fit",
        47: "other services may answer the same hook",
        48: "a later hook may update earlier advice",
    },
    "A.8": {
        49: "TLS on every endpoint",
        50: "the client is authenticated where calling could expose data",
        51: "the client's token is looked for on every call",
        52: "the token's header names algorithm, key and type",
        53: "the token's iss, aud, exp, iat, jti and nbf are honoured",
        54: "none and the symmetric algorithms are refused, whatever the token says",
        55: "the audience is the URL that is called",
        56: "only known issuers and key addresses are trusted",
        57: "a refused token gives 401 without a reason",
        58: "a token is taken once",
        59: "the public sandbox is not trusted in production",
        60: "browsers may call: preflight without a token, the headers on every answer",
        61: "calls can be audited",
        62: "links lead only to hosts that the service is set to link to",
    },
    "A.9": {
        63: "feedback is posted to {base}/cds-services/{id}/feedback as a list",
        64: "each feedback names card, outcome and time, and what was accepted or why not",
        65: "one call may report several cards, and a card more than once",
        66: "override reasons of the client's own are taken",
        67: "a card that is not known is no error; a malformed batch gives 400",
        68: "comments of users are kept out of logs",
    },
    "A.10": {69: "an extension is an object, its names unique"},
    "A.11": {70: "a hook of one's own has a reverse domain name and a published definition"},
}

REQUIREMENTS: Final[Mapping[str, str]] = MappingProxyType(
    {f"{section}-{number}": says for section, numbers in _SECTIONS.items() for number, says in numbers.items()}
)

_CLIENT: Final = "a duty of the client, not of the service"
_INSIDE: Final = "happens inside the service and shows in no answer"

REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "A.2-11": "allows every other status, so nothing could break it",
        "A.2-13": "documentation for people, published outside the protocol",
        "A.4-25": _CLIENT,
        "A.7-46": "advice about content; every code system is allowed",
        "A.7-47": "advice about content; a suite sees one service at a time",
        "A.7-48": "a permission; the ids in discovery that announce it are looked at under A.2-10",
        "A.8-52": _CLIENT,
        "A.8-59": "needs the private key of the sandbox, which a suite must not carry",
        "A.8-61": _INSIDE,
        "A.8-62": "the hosts are in the service's settings, which a suite does not know",
        "A.9-68": _INSIDE,
        "A.11-70": "a duty of whoever publishes a hook, which a service need not do",
    }
)
