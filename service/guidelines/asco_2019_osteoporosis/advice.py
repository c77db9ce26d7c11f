def decide(
    hip_or_spine_t_score,
    hip_or_spine_fracture,
    other_fracture,
    frax_hip,
    frax_major,
    *,
    treat_at_or_below,
    frax_hip_from,
    frax_major_from,
):
    if hip_or_spine_t_score <= treat_at_or_below:
        return "density"
    if frax_hip >= frax_hip_from:
        return "frax-hip"
    if frax_major >= frax_major_from:
        return "frax-major"
    if hip_or_spine_fracture or other_fracture:
        return "fracture"
    return "otherwise"
