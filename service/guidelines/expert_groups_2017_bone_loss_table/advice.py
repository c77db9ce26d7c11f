def decide(
    inhibitor,
    man,
    before_menopause,
    ovarian_suppression,
    t_score,
    frax_hip,
    frax_major,
    smoker,
    parent_hip_fracture,
    fracture_after_50,
    oral_glucocorticoid_months,
    *,
    treat_below,
    suppressed_treat_below,
    factors_from,
    frax_hip_from,
    frax_major_from,
    glucocorticoid_longer_than,
):
    if man or not inhibitor or (before_menopause and not ovarian_suppression):
        return "outside"
    if frax_hip >= frax_hip_from:
        return "frax-hip"
    if frax_major >= frax_major_from:
        return "frax-major"
    if before_menopause:
        return "suppressed" if t_score < suppressed_treat_below else "suppressed-otherwise"
    long_course = oral_glucocorticoid_months > glucocorticoid_longer_than
    if t_score < treat_below:
        return "density"
    if smoker + parent_hip_fracture + fracture_after_50 + long_course >= factors_from:
        return "factors"
    return "otherwise"
