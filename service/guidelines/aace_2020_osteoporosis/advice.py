def decide(
    man,
    before_menopause,
    t_score,
    hip_or_spine_fracture,
    other_fracture,
    frax_hip,
    frax_major,
    *,
    treat_at_or_below,
    osteopenia_below,
    frax_hip_from,
    frax_major_from,
):
    if man or before_menopause:
        return "outside"
    if hip_or_spine_fracture:
        return "fracture"
    if t_score <= treat_at_or_below:
        return "density"
    if t_score < osteopenia_below:
        if other_fracture:
            return "osteopenia-fracture"
        if frax_hip >= frax_hip_from:
            return "osteopenia-frax-hip"
        if frax_major >= frax_major_from:
            return "osteopenia-frax-major"
    return "otherwise"
