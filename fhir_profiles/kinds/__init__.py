"""How each kind of fact is worked out from a chart; `facts/*.yaml` name these kinds."""

from collections.abc import Mapping

from fhir_profiles.fact import Kind
from fhir_profiles.kinds import measured, recorded, treated

__all__ = ["KINDS"]

KINDS: Mapping[str, Kind] = {
    "age": recorded.age,
    "beyond_range": measured.beyond_range,
    "clearance": measured.clearance,
    "condition": recorded.condition,
    "covered": treated.covered,
    "daily_dose": treated.daily_dose,
    "days_since": recorded.days_since,
    "exposure": treated.exposure,
    "fracture": recorded.fracture,
    "lowest_score": measured.lowest_score,
    "measurement": measured.measurement,
    "menopause": recorded.menopause,
    "months_since": measured.months_since,
    "not_taken": treated.not_taken,
    "on_record": measured.on_record,
    "other_direction": measured.other_direction,
    "overdue": treated.overdue,
    "planned_procedure": recorded.planned_procedure,
    "sex": recorded.sex,
    "stopped": treated.stopped,
    "succeeded": treated.succeeded,
    "unclear_site": measured.unclear_site,
    "use": treated.use,
}
