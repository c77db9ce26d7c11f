def decide(
    t_score,
    inhibitor,
    hip_or_spine_fracture,
    other_fracture,
    frax_hip,
    frax_major,
    *,
    osteoporosis_at_or_below,
    osteopenia_below,
    frax_hip_from,
    frax_major_from,
):
    if hip_or_spine_fracture:
        return "H1"
    if t_score <= osteoporosis_at_or_below:
        return "H2"
    if t_score < osteopenia_below:
        if inhibitor:
            return "H3a"
        if other_fracture:
            return "H3b"
        if frax_hip >= frax_hip_from:
            return "H3c"
        if frax_major >= frax_major_from:
            return "H3d"
        return "M2"
    return "M1" if inhibitor else "L"
