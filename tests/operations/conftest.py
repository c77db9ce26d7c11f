"""What the tests of operations share with those of the service."""

from tests.service.conftest import run

__all__ = ["run"]
