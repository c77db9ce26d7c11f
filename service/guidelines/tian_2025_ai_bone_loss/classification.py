def decide(risk_tier, risk_tier_before, bone_agent):
    if risk_tier == "unclassified":
        return ["risk-tier:unclassified"]
    if bone_agent:
        return ["risk-tier:covered"]
    if risk_tier == "low":
        return ["risk-tier:low"]
    if risk_tier == "high":
        if risk_tier_before != risk_tier:
            return ["risk-tier:high", "bma-recommend:moved"]
        return ["risk-tier:high", "bma-recommend"]
    if risk_tier_before != risk_tier:
        return ["risk-tier:moderate", "bma-consider:moved"]
    return ["risk-tier:moderate", "bma-consider"]
