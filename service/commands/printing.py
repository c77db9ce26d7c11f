"""Cards for a person to read in a terminal."""

from typing import Any

__all__ = ["print_cards"]


def print_cards(answer: dict[str, Any]) -> None:
    """Print the cards of an answer."""
    cards = answer["cards"]
    if not cards:
        print("No cards: nothing is to be done, or the patient is out of scope.\n")
    for card in cards:
        print(f"[{card['indicator'].upper()}] {card['summary']}\n")
        for line in card["detail"].splitlines():
            print(f"    {line}".rstrip())
        print()
        for suggestion in card.get("suggestions", ()):
            mark = " (recommended)" if suggestion.get("isRecommended") else ""
            print(f"    -> {suggestion['label']}{mark}")
        if card.get("suggestions"):
            print()
