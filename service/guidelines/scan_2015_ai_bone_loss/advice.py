def decide(
    inhibitor,
    man,
    before_menopause,
    t_score,
    hip_or_spine_fracture,
    other_fracture,
    *,
    treat_below,
    consider_below,
):
    if man or before_menopause or not inhibitor:
        return "outside"
    if hip_or_spine_fracture or other_fracture:
        return "fracture"
    if t_score < treat_below:
        return "treat"
    if t_score < consider_below:
        return "consider"
    return "screen"
