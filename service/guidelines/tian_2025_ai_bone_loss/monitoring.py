def decide(
    risk_tier,
    months_since_dxa,
    t_score_site_unclear,
    bone_agent_months,
    turnover_markers,
    planned_extraction,
    *,
    dxa_after,
    fresh_dxa,
    markers_after,
):
    found = []
    if risk_tier == "unclassified":
        if not t_score_site_unclear:
            found.append("order-dxa:missing")
        return found
    if months_since_dxa > fresh_dxa:
        found.append("order-dxa:missing")
        found.append("dxa-follow-up:first")
    else:
        if months_since_dxa >= dxa_after:
            found.append("order-dxa:due")
        if risk_tier == "low":
            found.append("dxa-follow-up:low")
        else:
            found.append("dxa-follow-up")
    if risk_tier == "low":
        return found
    if not turnover_markers and bone_agent_months < markers_after:
        found.append("btm-baseline")
    found.append("btm-monitor")
    if planned_extraction:
        found.append("dental-review:extraction")
    else:
        found.append("dental-review")
    return found
