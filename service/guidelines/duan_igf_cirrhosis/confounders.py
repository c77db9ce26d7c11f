def decide(
    age,
    igf1_on_record,
    liver_disease,
    child_pugh,
    malnutrition,
    diabetes,
    oestrogen_use,
    tamoxifen_use,
    glucocorticoid_use,
    *,
    adult_from,
    class_a_from,
    class_b_from,
    class_c_from,
):
    if not igf1_on_record or age < adult_from:
        return []
    found = []
    if liver_disease:
        if child_pugh >= class_c_from:
            found.append("igf1-confounded:child-pugh-c")
        elif child_pugh >= class_b_from:
            found.append("igf1-confounded:child-pugh-b")
        elif child_pugh >= class_a_from:
            found.append("igf1-confounded:child-pugh-a")
        else:
            found.append("igf1-confounded:liver")
    if malnutrition:
        found.append("igf1-confounded:malnutrition")
    if diabetes:
        found.append("igf1-confounded:diabetes")
    if oestrogen_use:
        found.append("igf1-confounded:oestrogen")
    if tamoxifen_use:
        found.append("igf1-confounded:tamoxifen")
    if glucocorticoid_use:
        found.append("igf1-confounded:glucocorticoid")
    return found
