def decide(bmi, waist, woman, risk_tier_rule, *, bmi_from, bmi_to, waist_from):
    found = ["lifestyle"]
    if bmi < bmi_from:
        found.append("weight:gain")
    elif bmi > bmi_to or (woman and waist >= waist_from):
        if risk_tier_rule in ("M1", "L"):
            found.append("weight:reduce")
        else:
            found.append("weight:keep")
    return found
