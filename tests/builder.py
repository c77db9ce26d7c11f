"""Patients for the tests: FHIR R4 (and, where it differs, R5) made from plain dicts, by nothing under test.

    record = Record(age=68).condition("breast-cancer").t_score("lumbar-spine", -1.8).drug("letrozole")
    record.prefetch()   # the keys a CDS client sends, each a searchset Bundle
    record.bundle()     # the whole record as one Bundle

Every method adds to the record and returns it. Dates are FHIR strings of any precision; `None` leaves a date out.
Unless a test says otherwise the clock is TODAY, and DXA and laboratory values are two months old.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from tests import codes
from tests.fhir_pieces import (
    KEY_OF_TYPE,
    MEASURED,
    PATIENT_ID,
    PREFETCH_KEYS,
    TODAY,
    Json,
    birth_of,
    concept,
    quantity,
    searchset,
)
from tests.medication import medication_resource

_DUE_TO: Final = "http://hl7.org/fhir/StructureDefinition/condition-dueTo"


@dataclass
class Record:
    """A patient's record in the making. Give `age` in completed years, or `born` as a FHIR date."""

    age: int = 68
    sex: str | None = "female"
    born: str | None = ""
    today: date = TODAY
    patient_id: str = PATIENT_ID
    subject: str = ""
    entries: list[tuple[str, Json]] = field(default_factory=list)
    drafts: list[Json] = field(default_factory=list)
    selections: list[str] = field(default_factory=list)
    incomplete: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.born == "":
            self.born = birth_of(self.age, self.today)
        self.subject = self.subject or f"Patient/{self.patient_id}"

    # -- what comes out -----------------------------------------------------------------------------------------------

    @property
    def patient(self) -> Json:
        known = {"gender": self.sex, "birthDate": self.born}
        return {"resourceType": "Patient", "id": self.patient_id, **{k: v for k, v in known.items() if v is not None}}

    def prefetch(self, omit: Collection[str] = ()) -> Json:
        """The prefetch of a CDS Hooks request: each key told, save those in `omit`."""
        filed: dict[str, list[Json]] = {key: [] for key in PREFETCH_KEYS[1:]}
        for key, entry in self.entries:
            filed[key].append(entry)
        bundles = {key: searchset(entries, incomplete=key in self.incomplete) for key, entries in filed.items()}
        return {key: value for key, value in {"patient": self.patient, **bundles}.items() if key not in omit}

    def bundle(self, kind: str = "collection") -> Json:
        """The whole record as one Bundle."""
        entries = [{"resource": self.patient}, *(entry for _, entry in self.entries)]
        return {"resourceType": "Bundle", "type": kind, "entry": entries}

    # -- what goes in -------------------------------------------------------------------------------------------------

    def add(self, resource: Any, *, key: str | None = None, full_url: str | None = None) -> Record:
        """File a resource (or something broken in its place) under a prefetch key, by default its type's own."""
        kind = resource.get("resourceType") if isinstance(resource, dict) else None
        entry: Json = {"fullUrl": full_url, "resource": resource} if full_url else {"resource": resource}
        self.entries.append((key or KEY_OF_TYPE.get(str(kind), "labs"), entry))
        return self

    def _new(self, kind: str, **content: Any) -> Json:
        """A resource of this patient with an id of its own; members that are None are left out."""
        number = len(self.entries) + len(self.drafts) + 1
        resource = {"resourceType": kind, "id": f"{kind[:3].lower()}{number}", **content}
        resource.setdefault("subject", {"reference": self.subject})
        return {name: value for name, value in resource.items() if value is not None}

    def t_score(
        self,
        site: str,
        value: Any,
        taken: str | None = MEASURED,
        *,
        how: str = "code",
        unit: str | None = "{T-score}",
        side: str | None = None,
        status: str = "final",
        lang: str = "en",
        **more: Any,
    ) -> Record:
        """A DXA T-score, told by `how`: code | body-site | body-site-text | component | has-member.

        LOINC has no code for the femoral neck or the distal third of the radius: those carry a body site in any case.
        """
        code = concept(codes.LOINC, codes.T_SCORE_SIDE.get((site, side or ""), codes.T_SCORE[site]))
        has_own_code = site not in ("femoral-neck", "distal-third-radius")
        where = None
        if site in codes.BODY_SITE and (how.startswith("body-site") or not has_own_code):
            snomed, english, chinese = codes.BODY_SITE[site]
            coded = snomed if how != "body-site-text" else None
            where = concept(codes.SNOMED, coded, english if lang == "en" else chinese)
        told = {"valueQuantity": quantity(value, unit)} if value is not None else {}
        content: Json = {"status": status, "bodySite": where, "effectiveDateTime": taken, **more}
        by_name = {"text": "T-score" if lang == "en" else "T值"}
        panel = concept(codes.LOINC, codes.DXA_PANEL)
        if how == "code":
            return self._dxa(code=code, **told, **content)
        if how == "body-site":
            return self._dxa(code=concept(codes.LOINC, codes.T_SCORE["unknown"]), **told, **content)
        if how == "body-site-text":
            return self._dxa(code=by_name, **told, **content)
        if how == "component":
            return self._dxa(code=panel, component=[{"code": code, **told}], **content)
        if how == "has-member":
            member_code = code if has_own_code else by_name
            member = self._new("Observation", status=status, code=member_code, effectiveDateTime=taken, **told)
            self.add(member, key="dxa")
            return self._dxa(code=panel, hasMember=[{"reference": f"Observation/{member['id']}"}], **content)
        raise ValueError(f"no such way to tell a T-score: {how}")

    def _dxa(self, **content: Any) -> Record:
        return self.add(self._new("Observation", **content), key="dxa")

    def z_score(self, site: str, value: float, taken: str | None = MEASURED) -> Record:
        """A Z-score: compares with the patient's own age, and never stands in for a T-score."""
        told = quantity(value, "{Zscore}")
        return self._dxa(
            status="final", code=concept(codes.LOINC, codes.Z_SCORE[site]), effectiveDateTime=taken, valueQuantity=told
        )

    def density(
        self,
        site: str,
        value: Any,
        *,
        mean: Any = None,
        sd: Any = None,
        unit: str = "g/cm2",
        taken: str | None = MEASURED,
    ) -> Record:
        """A measured areal density, with the young adults' mean and SD beside it where given."""
        reference = {"young-adult-mean": mean, "young-adult-sd": sd}
        beside = [
            {"code": concept(codes.BMD_REFERENCE, code), "valueQuantity": quantity(number, unit)}
            for code, number in reference.items()
            if number is not None
        ]
        return self._dxa(
            status="final",
            code=concept(codes.LOINC, codes.DENSITY[site]),
            effectiveDateTime=taken,
            valueQuantity=quantity(value, unit),
            component=beside or None,
        )

    def frax(
        self,
        hip: Any = None,
        major: Any = None,
        taken: str | None = MEASURED,
        *,
        how: str = "single",
        unit: str | None = "%",
    ) -> Record:
        """FRAX ten-year probabilities in percent, as single Observations or as components of the panel."""
        told = {codes.FRAX_HIP: hip, codes.FRAX_MAJOR: major}
        parts = [
            {"code": concept(codes.LOINC, code), "valueQuantity": quantity(value, unit)}
            for code, value in told.items()
            if value is not None
        ]
        if how == "panel":
            return self._dxa(
                status="final", code=concept(codes.LOINC, codes.FRAX_PANEL), effectiveDateTime=taken, component=parts
            )
        for part in parts:
            self._dxa(status="final", effectiveDateTime=taken, **part)
        return self

    def lab(
        self,
        name: str,
        value: Any,
        unit: str | None = None,
        taken: str | None = MEASURED,
        *,
        low: float | None = None,
        high: float | None = None,
        status: str = "final",
        code: str | None = None,
        **more: Any,
    ) -> Record:
        """A laboratory value or vital sign by the contract's fact name, with the laboratory's own range where given."""
        by_unit = codes.MEASUREMENT[name]
        unit = unit or next(iter(by_unit))
        limits = {"low": low, "high": high}
        own = {side: quantity(limit, unit) for side, limit in limits.items() if limit is not None}
        observation = self._new(
            "Observation",
            status=status,
            code=concept(codes.LOINC, code or by_unit.get(unit) or next(iter(by_unit.values()))),
            effectiveDateTime=taken,
            valueQuantity=quantity(value, unit) if value is not None else None,
            referenceRange=[own] if own else None,
            **more,
        )
        return self.add(observation, key="vitals" if name in codes.VITALS else "labs")

    def smoking(self, answer: str, taken: str | None = MEASURED) -> Record:
        """A smoking status: one of the answers of the tests' list."""
        told = concept(*codes.SMOKING[answer])
        code = concept(codes.LOINC, codes.SMOKING_STATUS)
        observation = self._new(
            "Observation", status="final", code=code, effectiveDateTime=taken, valueCodeableConcept=told
        )
        return self.add(observation, key="vitals")

    def condition(
        self,
        name: str,
        onset: str | None = "2025-03-01",
        *,
        coding: str = "",
        clinical: str | None = "active",
        verification: str | None = "confirmed",
        **more: Any,
    ) -> Record:
        """A condition of the tests' own list, by SNOMED CT where it has such a code, else by ICD-10-CM."""
        by_system = codes.CONDITION[name]
        system = coding or next(iter(by_system))
        code = concept(codes.SYSTEMS[system], by_system[system])
        return self._condition(code, onset, clinical, verification, **more)

    def _condition(
        self, code: Json, onset: str | None, clinical: str | None, verification: str | None, **more: Any
    ) -> Record:
        terminology = "http://terminology.hl7.org/CodeSystem/condition-"
        return self.add(
            self._new(
                "Condition",
                clinicalStatus=clinical and concept(f"{terminology}clinical", clinical),
                verificationStatus=verification and concept(f"{terminology}ver-status", verification),
                code=code,
                onsetDateTime=onset,
                **more,
            )
        )

    def fracture(
        self,
        site: str,
        onset: str | None = "2024-03-01",
        *,
        nature: str = "plain",
        cause: str | None = None,
        told_by: str = "due-to",
        coding: str = "",
        clinical: str | None = "resolved",
        verification: str | None = "confirmed",
        **more: Any,
    ) -> Record:
        """A fracture: `nature` plain | osteoporotic | neoplastic, `cause` an external cause of the tests' list.

        The cause is `told_by` the dueTo extension, or by a second coding of the same Condition.
        """
        by_system = codes.FRACTURE[site][nature]
        system = coding or next(iter(by_system))
        code = concept(codes.SYSTEMS[system], by_system[system])
        if cause and told_by == "due-to":
            more["extension"] = [{"url": _DUE_TO, "valueCodeableConcept": concept(codes.ICD10, codes.CAUSE[cause])}]
        elif cause:
            code["coding"].append({"system": codes.ICD10, "code": codes.CAUSE[cause]})
        return self._condition(code, onset, clinical, verification, **more)

    def procedure(
        self, name: str, done: str | None = "2025-06-01", *, status: str = "completed", **more: Any
    ) -> Record:
        """A procedure of the tests' own list."""
        code = concept(*codes.PROCEDURE[name])
        return self.add(self._new("Procedure", status=status, code=code, performedDateTime=done, **more))

    def drug(self, name: str, **how: Any) -> Record:
        """A drug on the medication list; every way of telling it is `medication.medication_resource`'s."""
        for resource, full_url in medication_resource(self._new, name, **how):
            key = KEY_OF_TYPE.get(resource["resourceType"]) or KEY_OF_TYPE[how.get("resource", "MedicationRequest")]
            self.add(resource, key=key, full_url=full_url)
        return self

    def draft(self, name: str, *, selected: bool = True, status: str = "draft", **how: Any) -> Record:
        """A draft order in the hook's context; `selected` puts it among order-select's selections too."""
        ((order, _),) = medication_resource(self._new, name, status=status, start=how.pop("start", None), **how)
        self.drafts.append(order)
        if selected:
            self.selections.append(f"{order['resourceType']}/{order['id']}")
        return self
