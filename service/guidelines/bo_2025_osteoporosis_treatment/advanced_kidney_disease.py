def decide(severe_renal_impairment, egfr, *, egfr_below):
    if severe_renal_impairment or egfr < egfr_below:
        return ["outside-source-population:kidney"]
    return []
