def decide(
    denosumab_overdue,
    denosumab_succeeded,
    denosumab_stopped,
    oral_bisphosphonate_not_taken,
    endocrine_months,
    *,
    late_after,
    critical_after,
    endocrine_review_after,
):
    found = []
    if not denosumab_succeeded:
        if denosumab_overdue > critical_after:
            found.append("denosumab-sequential:critical")
        elif denosumab_overdue > late_after:
            found.append("denosumab-sequential:late")
        elif denosumab_overdue >= 0:
            found.append("denosumab-sequential")
        elif denosumab_stopped:
            found.append("denosumab-sequential:stopped")
    if oral_bisphosphonate_not_taken:
        found.append("switch-route:not-taken")
    if endocrine_months > endocrine_review_after:
        found.append("endocrine-over-5-years")
    return found
