def decide(
    formation_markers,
    resorption_markers,
    p1np_change,
    ctx_change,
    antiresorptive,
    anabolic,
    after_menopause,
    inhibitor,
    hyperparathyroidism,
    pth_range,
    vitamin_d_25oh,
    age,
    long_glucocorticoids,
    bone_agent,
    risk_tier,
    *,
    p1np_least_change,
    ctx_least_change,
    vitamin_d_deficient_below,
    older_from,
):
    found = []
    # What is unknown equals nothing, not even itself.
    if p1np_change == p1np_change:
        found.append("bone-turnover:p1np-change")
    if ctx_change == ctx_change:
        found.append("bone-turnover:ctx-change")
    if -p1np_change > p1np_least_change or -ctx_change > ctx_least_change:
        found.append("bone-turnover:effect")
    elif found:
        found.append("bone-turnover:no-effect")
    sides = {formation_markers, resorption_markers}
    if antiresorptive and "low" in sides and not sides & {"high", "mixed"}:
        return [*found, "bone-turnover:suppressed"]
    if anabolic and formation_markers == "high":
        return [*found, "bone-turnover:stimulated"]
    if sides == {"high"}:
        found.append("bone-turnover:high")
        if after_menopause:
            found.append("bone-turnover:cause-menopause")
        if inhibitor:
            found.append("bone-turnover:cause-inhibitor")
        if hyperparathyroidism or pth_range == "high":
            found.append("bone-turnover:cause-hyperparathyroidism")
        if vitamin_d_25oh < vitamin_d_deficient_below:
            found.append("bone-turnover:cause-vitamin-d")
    elif sides == {"low"}:
        found.append("bone-turnover:low")
        if age >= older_from:
            found.append("bone-turnover:cause-age")
        if long_glucocorticoids:
            found.append("bone-turnover:cause-glucocorticoids")
    elif sides & {"high", "low", "mixed"} and not sides & {"absent", "unranged"}:
        found.append("bone-turnover:mixed")
    elif sides & {"high", "low", "mixed", "unranged"}:
        found.append("bone-turnover:unclear")
    measured = sides != {"absent"}
    if measured and risk_tier in ("moderate", "high") and not inhibitor and not bone_agent:
        found.append("bone-turnover:pathway")
    return found
