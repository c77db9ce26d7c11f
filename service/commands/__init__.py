"""The commands of the command line, a module each; those of the store, of the analytics and of the
conformance suite lie beside what they use.

Each is a function from what its flags say to the exit status. Here is what all of them raise, and `cli.py` tells.
"""

__all__ = ["Unusable"]


class Unusable(Exception):
    """What was given cannot be used; the text says what, and the way out."""
