def decide(vitamin_d_25oh, *, vitamin_d_deficient_below, vitamin_d_enough_above):
    if vitamin_d_deficient_below <= vitamin_d_25oh <= vitamin_d_enough_above:
        return ["vitamin-d-deficiency:insufficient"]
    return []
