def decide(risk_tier_rule, other_fracture, frax_hip, frax_major, *, frax_hip_from, frax_major_from):
    if risk_tier_rule in ("M1", "L") and (other_fracture or frax_hip >= frax_hip_from or frax_major >= frax_major_from):
        return ["tier-understates"]
    return []
