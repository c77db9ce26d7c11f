def decide(risk_tier, advice, bone_agent, before_menopause, fertile, womb_or_ovaries_removed, pregnancy):
    planned = bone_agent or (risk_tier != "unclassified" and advice in ("treat", "consider"))
    possible = (before_menopause or fertile) and not womb_or_ovaries_removed
    if planned and possible and not pregnancy:
        return ["pregnancy-potential"]
    return []
