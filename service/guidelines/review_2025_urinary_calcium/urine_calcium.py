def decide(
    urine_calcium,
    woman,
    man,
    hypercalciuria_on_record,
    urinary_stones,
    calcium_at_most,
    low_urine_calcium,
    *,
    high_above_women,
    high_above_men,
):
    limit = high_above_men if man else high_above_women
    if urine_calcium > limit:
        found = ["hypercalciuria:man" if man else "hypercalciuria" if woman else "hypercalciuria:sex-unknown"]
    elif hypercalciuria_on_record and not urine_calcium <= limit:
        found = ["hypercalciuria:on-record"]
    else:
        return ["low-urine-calcium"] if low_urine_calcium else []
    if urinary_stones:
        found.append("hypercalciuria:stones")
    if calcium_at_most > 0:
        found.append("hypercalciuria:on-calcium")
    return found
