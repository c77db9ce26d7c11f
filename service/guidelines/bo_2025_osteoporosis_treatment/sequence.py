def decide(
    risk_tier,
    advice,
    bone_agent,
    anabolic_unfollowed,
    months_on_treatment_at_fracture,
    *,
    failure_from,
):
    found = []
    if anabolic_unfollowed and not bone_agent and risk_tier != "unclassified":
        if advice == "treat":
            found.append("bma-recommend:after-anabolic")
        elif advice == "consider":
            found.append("bma-consider:after-anabolic")
    if months_on_treatment_at_fracture >= failure_from:
        found.append("treatment-failure")
    return found
