def decide(
    inhibitor,
    man,
    before_menopause,
    t_score,
    smoker,
    parent_hip_fracture,
    fracture_after_50,
    oral_glucocorticoid_months,
    *,
    treat_below,
    treat_with_a_factor_below,
    factors_from,
    glucocorticoid_longer_than,
):
    if man or before_menopause or not inhibitor:
        return "outside"
    long_course = oral_glucocorticoid_months > glucocorticoid_longer_than
    factors = smoker + parent_hip_fracture + fracture_after_50 + long_course
    if t_score < treat_below:
        return "density"
    if factors >= factors_from:
        return "factors"
    if t_score < treat_with_a_factor_below and factors:
        return "density-and-factor"
    if t_score == treat_below:
        return "limit"
    return "otherwise"
