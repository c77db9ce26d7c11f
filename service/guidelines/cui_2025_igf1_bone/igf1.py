def decide(age, igf1_below_own_range, igf1_confounder, *, adult_from):
    if age >= adult_from and igf1_below_own_range and not igf1_confounder:
        return ["igf1-low"]
    return []
