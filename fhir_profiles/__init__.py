"""The record: what we ask of it and how we read it.

`templates` says what to ask for, `RecordReader.read` turns received resources into a `Chart`, and `facts`
answers from it, fact by fact. The only package that reads clinical content; it knows no medicine and no wire.
"""

from fhir_profiles.asking import DRAFT_MEDICATIONS, KEYS, lookups, templates
from fhir_profiles.blank import Blanks
from fhir_profiles.chart import Chart, Evidence
from fhir_profiles.fact import Fact, Facts
from fhir_profiles.kinds import KINDS
from fhir_profiles.reading import RecordReader
from fhir_profiles.resources import Entry, Resource
from fhir_profiles.terminology import Terminology, load_yaml, terminology

__all__ = [
    "DRAFT_MEDICATIONS",
    "KEYS",
    "KINDS",
    "Blanks",
    "Chart",
    "Entry",
    "Evidence",
    "Fact",
    "Facts",
    "RecordReader",
    "Resource",
    "Terminology",
    "load_yaml",
    "lookups",
    "templates",
    "terminology",
]
