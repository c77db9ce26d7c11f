"""How deep a JSON text is nested, told before anything decodes it.

A decoder goes down as far as the interpreter lets it, which is another depth in each release of Python, and the threads
of a server have small stacks. No FHIR resource comes near the limit.
"""

import re
from array import array
from itertools import accumulate
from typing import Final

__all__ = ["DEEPEST", "too_deep"]

DEEPEST: Final = 128

# Opening brackets become 1 and closing ones -1, as signed bytes.
_STEPS: Final = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_OTHERS: Final = bytes(set(range(256)) - set(b'{}[]"'))
_ESCAPE: Final = re.compile(rb"\\.", re.DOTALL)
_FEW: Final = 1 << 14  # of more escapes, each found by itself takes longer than to look for two bytes everywhere
_STRING: Final = re.compile(rb'"[^"]*"')


def too_deep(text: bytes) -> bool:
    """Whether a JSON text is nested more than `DEEPEST` levels; of a broken one, whether it is before it breaks."""
    escapes = text.count(b"\\")
    if escapes > _FEW:
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    elif escapes:
        text = _ESCAPE.sub(b"", text)
    # Brackets and quotes alone. Quotes side by side enclose no bracket; what they leave keeps its place in or out of a
    # string. Strings that hold brackets are left, and go.
    steps = text.translate(_STEPS, _OTHERS).replace(b'""', b"")
    if b'"' in steps:
        steps = _STRING.sub(b"", steps).partition(b'"')[0]  # a string that does not end is where the text breaks
    level = 0
    for start in range(0, len(steps), DEEPEST):
        block = steps[start : start + DEEPEST]
        opened = block.count(b"\x01")
        # All opening brackets of a block together seldom lead too deep; only then its steps are counted one by one.
        if level + opened > DEEPEST and level + max(accumulate(array("b", block))) > DEEPEST:
            return True
        level += 2 * opened - len(block)
    return False
