"""SMART scopes of both versions: what they let us read and search."""

import pytest

from cds_hooks.scopes import Scopes


@pytest.mark.parametrize(
    ("text", "read", "search"),
    [
        ("", "none", "none"),
        ("user/Observation.read", "whole", "whole"),
        ("patient/Observation.read", "whole", "whole"),
        ("system/Observation.read", "whole", "whole"),
        ("user/Observation.*", "whole", "whole"),
        ("user/*.read", "whole", "whole"),
        ("user/*.*", "whole", "whole"),
        ("user/Observation.write", "none", "none"),
        ("user/Condition.read", "none", "none"),
        ("user/Observation.rs", "whole", "whole"),
        ("user/Observation.cruds", "whole", "whole"),
        ("user/*.cruds", "whole", "whole"),
        ("user/Observation.r", "whole", "none"),
        ("user/Observation.s", "none", "whole"),
        ("user/Observation.cud", "none", "none"),
        ("user/Observation.r user/Observation.s", "whole", "whole"),
        ("user/Observation.rs?category=laboratory", "part", "part"),
        ("user/Observation.rs?category=laboratory user/Observation.s", "part", "whole"),
        ("openid fhirUser launch/patient online_access user/Observation.read", "whole", "whole"),
        ("  user/Observation.read\t", "whole", "whole"),
        ("user/Observation.sr", "none", "none"),  # the letters stand in order
        ("user/Observation.", "none", "none"),
        ("user/Observation", "none", "none"),
        ("user/observation.read", "none", "none"),
        ("user/Observation.reads", "none", "none"),
        ("user/Observation.read?category=x", "none", "none"),
        ("User/Observation.read", "none", "none"),
        ("user/Observation.rs?", "none", "none"),
        ("user/ObservationX.read", "none", "none"),
        ("user/Observation.read,user/Condition.read", "none", "none"),
    ],
)
def test_what_scopes_allow(text: str, read: str, search: str) -> None:
    scopes = Scopes(text)
    assert (scopes.leave("Observation", search=False), scopes.leave("Observation", search=True)) == (read, search)


def test_only_some_levels() -> None:
    scopes = Scopes("patient/*.rs user/Condition.s", ("user", "system"))
    assert [scopes.leave(kind, search=True) for kind in ("Observation", "Condition")] == ["none", "whole"]
