"""The rules of a card, its source, its override reasons and its links."""

import re
from typing import Final

from cds_hooks.card import LONGEST_SUMMARY, utf16_length
from cds_hooks.rules.parts import Flaws, Json, Rule, has, is_text, is_url, items, not_objects, rule, texts

__all__ = ["CARD_RULES"]

CARD_RULES: Final[list[Rule]] = []

_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# GFM lets raw HTML through and clients show it (the official sandbox does): these act, or load from elsewhere.
_ACTIVE: Final = re.compile(
    r"<\s*(script|iframe|object|embed|form|svg|img|link|style|base)\b|<[^>]*\son\w+\s*=|\]\(\s*javascript:",
    re.IGNORECASE,
)


@rule(CARD_RULES, "A.7-40", mitre=(83,), says="A card has a summary of fewer than 140 characters, as browsers count.")
def card_summary(card: Json) -> Flaws:
    summary = card.get("summary")
    if not isinstance(summary, str) or not summary.strip() or utf16_length(summary) > LONGEST_SUMMARY:
        yield "summary"


@rule(CARD_RULES, "A.7-40", mitre=(84, 85), of="detail", says="The detail of a card is text.")
def card_detail(card: Json) -> Flaws:
    return texts(card, "", optional=("detail",))


@rule(
    CARD_RULES,
    "A.7-40",
    level="SHOULD",
    of="detail",
    says="The detail of a card holds no HTML that acts or loads something.",
)
def card_detail_is_inert(card: Json) -> Flaws:
    detail = card.get("detail")
    if isinstance(detail, str) and _ACTIVE.search(detail):
        yield "detail"


@rule(CARD_RULES, "A.7-40", mitre=(87, 88), says="The indicator of a card is info, warning or critical.")
def card_indicator(card: Json) -> Flaws:
    if card.get("indicator") not in ("info", "warning", "critical"):
        yield "indicator"


@rule(CARD_RULES, "A.7-40", mitre=(90, 105), says="A card has a source with a label.")
def card_source(card: Json) -> Flaws:
    source = card.get("source")
    if not isinstance(source, dict):
        yield "source"
    else:
        yield from texts(source, "source.", required=("label",))


def _source(card: Json) -> Json:
    source = card.get("source")
    return source if isinstance(source, dict) else {}


@rule(CARD_RULES, "A.7-40", mitre=(107, 111), of="source", says="The url and the icon of a source are absolute URLs.")
def source_urls(card: Json) -> Flaws:
    source = _source(card)
    return (f"source.{name}" for name in ("url", "icon") if has(source, name) and not is_url(source[name]))


@rule(
    CARD_RULES,
    "A.7-40",
    "A.7-45",
    mitre=(115, 216, 217, 218, 220),
    of="source.topic",
    says="The topic of a source has code and system.",
)
def source_topic(card: Json) -> Flaws:
    source = _source(card)
    if has(source, "topic"):
        topic = source["topic"]
        if isinstance(topic, dict):
            yield from texts(topic, "source.topic.", required=("code", "system"), optional=("display",))
        else:
            yield "source.topic"


@rule(CARD_RULES, "A.7-40", mitre=(80, 119), says="The uuid of a card or a suggestion is text.")
def uuids_are_text(card: Json) -> Flaws:
    yield from texts(card, "", optional=("uuid",))
    for path, suggestion in items(card, "suggestions"):
        yield from texts(suggestion, path, optional=("uuid",))


@rule(
    CARD_RULES,
    "A.7-40",
    "A.7-41",
    mitre=(163,),
    level="SHOULD",
    says="Cards and suggestions carry a UUID each; without it no feedback is sent.",
)
def uuids_for_feedback(card: Json) -> Flaws:
    for path, node in (("", card), *items(card, "suggestions")):
        uuid = node.get("uuid")
        if not isinstance(uuid, str) or not _UUID.fullmatch(uuid):
            yield f"{path}uuid"


@rule(
    CARD_RULES,
    "A.7-40",
    "A.7-45",
    mitre=(98, 100, 136, 216, 217, 218, 219),
    of="overrideReasons",
    says="An override reason has code, system and display.",
)
def override_reasons(card: Json) -> Flaws:
    yield from not_objects(card, "overrideReasons")
    for path, reason in items(card, "overrideReasons"):
        yield from texts(reason, path, required=("code", "system", "display"))


# -- links -----------------------------------------------------------------------------------------


@rule(
    CARD_RULES,
    "A.7-44",
    mitre=(103, 138, 139, 141, 142),
    of="links",
    says="A link has a label, an absolute URL, and the type absolute or smart.",
)
def links(card: Json) -> Flaws:
    yield from not_objects(card, "links")
    for path, link in items(card, "links"):
        yield from texts(link, path, required=("label",))
        if not is_url(link.get("url")):
            yield f"{path}url"
        if link.get("type") not in ("absolute", "smart"):
            yield f"{path}type"


@rule(
    CARD_RULES,
    "A.7-44",
    mitre=(144, 146, 147),
    of="links",
    says="An appContext is text, and only a smart link has one.",
)
def link_app_context(card: Json) -> Flaws:
    for path, link in items(card, "links"):
        if has(link, "appContext") and not (is_text(link["appContext"]) and link.get("type") == "smart"):
            yield f"{path}appContext"


@rule(CARD_RULES, "A.7-44", of="links", says="autolaunchable is true or false.")
def link_autolaunchable(card: Json) -> Flaws:
    for path, link in items(card, "links"):
        if has(link, "autolaunchable") and not isinstance(link["autolaunchable"], bool):
            yield f"{path}autolaunchable"


@rule(CARD_RULES, "A.7-44", level="SHOULD", of="links", says="A link is an https address.")
def links_are_https(card: Json) -> Flaws:
    return (f"{path}url" for path, link in items(card, "links") if str(link.get("url")).startswith("http:"))
