def decide(
    drug,
    route,
    dose,
    interval_days,
    in_hand,
    *,
    month,
    alendronate_dose,
    alendronate_interval,
    risedronate_weekly_dose,
    risedronate_weekly_interval,
    risedronate_monthly_dose,
    risedronate_monthly_interval,
    ibandronate_daily_dose,
    ibandronate_tablet_dose,
    ibandronate_tablet_interval,
    ibandronate_infusion_dose,
    ibandronate_injection_dose,
    ibandronate_intravenous_interval,
    zoledronic_acid_oncology_interval,
    zoledronic_acid_yearly_dose,
    zoledronic_acid_yearly_interval,
    denosumab_dose,
    denosumab_interval,
    denosumab_oncology_dose,
    denosumab_oncology_interval,
):
    largest, apart, error = dose, 0, ""
    if drug.startswith("alendronate"):
        largest = alendronate_dose
        if dose >= alendronate_dose:
            apart, error = alendronate_interval, "dose-error:alendronate"
    elif drug.startswith("risedronate"):
        largest = risedronate_monthly_dose
        if dose >= risedronate_monthly_dose:
            apart, error = risedronate_monthly_interval * month, "dose-error:risedronate-monthly"
        elif dose >= risedronate_weekly_dose:
            apart, error = risedronate_weekly_interval, "dose-error:risedronate-weekly"
    elif drug.startswith("ibandronate"):
        if route != "oral" and dose in (ibandronate_infusion_dose, ibandronate_injection_dose):
            apart, error = ibandronate_intravenous_interval * month, "dose-error:ibandronate-intravenous"
        elif route != "iv":
            largest = ibandronate_tablet_dose
            if dose > ibandronate_daily_dose:
                apart, error = ibandronate_tablet_interval * month, "dose-error:ibandronate-tablet"
    elif drug.startswith("zoledronic_acid"):
        largest = zoledronic_acid_yearly_dose
        apart, error = zoledronic_acid_oncology_interval, "dose-error:zoledronic-acid"
        if dose >= zoledronic_acid_yearly_dose:
            apart, error = zoledronic_acid_yearly_interval * month, "dose-error:zoledronic-acid-yearly"
    elif drug == "denosumab":
        largest = denosumab_oncology_dose
        apart, error = denosumab_oncology_interval, "dose-error:denosumab-oncology"
        if dose <= denosumab_dose:
            apart, error = denosumab_interval * month, "dose-error:denosumab"
    if dose > largest:
        yield "dose-error:single-dose"
    if interval_days < apart:
        yield error
    elif in_hand and apart and interval_days != interval_days:  # only what is unknown (NaN) differs from itself
        yield "dose-error:interval-unknown"
