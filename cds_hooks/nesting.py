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
_STRING: Final = re.compile(rb'"[^"]*"')
_ROUNDS: Final = 16  # more than records have; to count the steps one by one costs more


def too_deep(text: bytes) -> bool:
    """Whether a JSON text is nested more than `DEEPEST` levels; of a broken one, whether it is before it breaks."""
    if b"\\" in text:  # one byte is found ten times as fast as two
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    # Brackets and quotes alone. Quotes side by side enclose no bracket; what they leave keeps its place in or out of a
    # string. Strings that hold brackets are left, and go.
    steps = text.translate(_STEPS, _OTHERS).replace(b'""', b"")
    if b'"' in steps:
        steps = _STRING.sub(b"", steps)
    for levels in range(_ROUNDS):
        # Nothing is nested deeper than there are opening brackets left.
        if levels + steps.count(b"\x01") <= DEEPEST:
            return False
        steps = steps.replace(b"\x01\xff", b"")  # takes the innermost level away
    return _ROUNDS + max(accumulate(array("b", steps)), default=0) > DEEPEST
