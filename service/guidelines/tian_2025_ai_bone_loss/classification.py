def decide(risk_tier, risk_tier_before, bone_agent, advice):
    if risk_tier == "unclassified":
        return ["risk-tier:unclassified"]
    if bone_agent:
        return ["risk-tier:covered"]
    if risk_tier == "low":
        found = ["risk-tier:low"]
    elif risk_tier == "moderate":
        found = ["risk-tier:moderate"]
    else:
        found = ["risk-tier:high"]
    moved = risk_tier_before != risk_tier
    if advice == "treat":
        found.append("bma-recommend:moved" if moved else "bma-recommend")
    elif advice == "consider":
        found.append("bma-consider:moved" if moved else "bma-consider")
    return found
