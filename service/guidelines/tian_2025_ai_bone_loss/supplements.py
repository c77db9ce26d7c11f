def decide(
    age,
    risk_tier_rule,
    calcium_at_most,
    calcium_at_least,
    vitamin_d_at_most,
    vitamin_d_25oh,
    vitamin_d_25oh_high,
    high_serum_calcium,
    osteoporosis,
    urine_calcium,
    man,
    hypercalciuria_on_record,
    *,
    older_from,
    calcium_older,
    calcium_younger,
    calcium_upper_limit,
    vitamin_d_ordinary,
    vitamin_d_osteoporosis,
    vitamin_d_deficient_below,
    vitamin_d_caution_above,
    vitamin_d_toxic_above,
    high_above_women,
    high_above_men,
):
    found = []
    if calcium_at_least > calcium_upper_limit:
        found.append("calcium-upper-limit")
    if vitamin_d_25oh_high > vitamin_d_toxic_above:
        found.append("vitamin-d-toxicity:alarm")
    elif vitamin_d_25oh_high > vitamin_d_caution_above:
        found.append("vitamin-d-toxicity")
    if vitamin_d_25oh < vitamin_d_deficient_below:
        found.append("vitamin-d-deficiency")
    if found[:1] not in ([], ["vitamin-d-deficiency"]) or high_serum_calcium:
        return found
    most_in_urine = high_above_men if man else high_above_women
    if urine_calcium > most_in_urine or (hypercalciuria_on_record and not urine_calcium <= most_in_urine):
        return found
    short_of_d = vitamin_d_at_most < vitamin_d_ordinary
    if osteoporosis or risk_tier_rule in ("H1", "H2"):
        short_of_d = vitamin_d_at_most < vitamin_d_osteoporosis
    if age < older_from:
        if calcium_at_most < calcium_younger:
            found.append("calcium-vitamin-d:calcium-younger")
    elif calcium_at_most < calcium_older:
        found.append("calcium-vitamin-d:calcium")
    if short_of_d:
        if osteoporosis or risk_tier_rule in ("H1", "H2"):
            found.append("calcium-vitamin-d:vitamin-d-osteoporosis")
        else:
            found.append("calcium-vitamin-d:vitamin-d")
    return found
