def decide(
    inhibitor,
    man,
    before_menopause,
    age,
    hip_or_spine_t_score,
    hip_or_spine_fracture,
    other_fracture,
    smoker,
    parent_hip_fracture,
    oral_glucocorticoid_months,
    *,
    treat_below,
    treat_with_a_factor_below,
    age_from,
    glucocorticoid_longer_than,
):
    if man or before_menopause or not inhibitor:
        return "outside"
    if hip_or_spine_fracture or other_fracture:
        return "fracture"
    if age >= age_from:
        return "age"
    if hip_or_spine_t_score < treat_below:
        return "density"
    factor = smoker or parent_hip_fracture or oral_glucocorticoid_months > glucocorticoid_longer_than
    if hip_or_spine_t_score < treat_with_a_factor_below and factor:
        return "density-and-factor"
    return "otherwise"
