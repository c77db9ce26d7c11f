def decide(
    low_serum_calcium,
    high_serum_calcium,
    lowest_calcium,
    highest_calcium,
    low_calcium_measured_as,
    high_calcium_measured_as,
    reduced_kidney_function,
    correction_unreliable,
    pth_range,
    breast_cancer,
    inhibitor,
    *,
    severe_low_below,
    severe_high_from,
):
    found = []
    doubtful = reduced_kidney_function or correction_unreliable
    if high_serum_calcium:
        if highest_calcium >= severe_high_from:
            found.append("hypercalcaemia-work-up:severe")
        else:
            found.append("hypercalcaemia-work-up")
        if high_calcium_measured_as == "computed_calcium":
            found.append("hypercalcaemia-work-up:computed")
        if doubtful and high_calcium_measured_as != "ionised_calcium":
            found.append("hypercalcaemia-work-up:doubtful")
        if pth_range in ("high", "within"):
            found.append("hypercalcaemia-work-up:pth-not-low")
        elif pth_range == "low":
            found.append("hypercalcaemia-work-up:pth-low")
        if breast_cancer or inhibitor:
            found.append("exclude-metastasis:calcium")
    if low_serum_calcium:
        if lowest_calcium < severe_low_below:
            found.append("hypocalcaemia-correct-first:severe")
        else:
            found.append("hypocalcaemia-correct-first:work-up")
        if low_calcium_measured_as == "computed_calcium":
            found.append("hypocalcaemia-correct-first:computed")
        if doubtful and low_calcium_measured_as != "ionised_calcium":
            found.append("hypocalcaemia-correct-first:doubtful")
        if pth_range == "high":
            found.append("hypocalcaemia-correct-first:pth-high")
        elif pth_range == "low":
            found.append("hypocalcaemia-correct-first:pth-low")
    return found
