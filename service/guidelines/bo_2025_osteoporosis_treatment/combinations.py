def decide(
    two_antiresorptives,
    two_denosumabs,
    glucocorticoid_use,
    oral_glucocorticoid_months,
    glucocorticoid_stated,
    *,
    glucocorticoid_over,
):
    found = []
    if two_antiresorptives:
        found.append("interaction:two-antiresorptives")
    if two_denosumabs:
        found.append("interaction:two-denosumabs")
    if glucocorticoid_stated or (glucocorticoid_use and oral_glucocorticoid_months > glucocorticoid_over):
        found.append("interaction:glucocorticoid")
    return found
