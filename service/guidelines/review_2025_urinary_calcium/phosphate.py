def decide(low_phosphate, high_phosphate):
    if high_phosphate:
        return ["phosphate-out-of-range:high"]
    return ["phosphate-out-of-range:low"] if low_phosphate else []
