def decide(bone_metastasis, spine_fracture, man, age, before_menopause, *, young_below):
    found = []
    if bone_metastasis:
        found.append("bone-metastasis")
    elif spine_fracture:
        found.append("exclude-metastasis")
    if man:
        found.append("outside-source-population:man")
    elif before_menopause:
        found.append("outside-source-population:premenopausal")
    elif age < young_below:
        found.append("outside-source-population:young")
    return found
