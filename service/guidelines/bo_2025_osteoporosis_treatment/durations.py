def decide(
    oral_bisphosphonate_months,
    intravenous_bisphosphonate_months,
    months_since_bisphosphonate,
    adjuvant_endocrine_use,
    pth_analogue_months,
    pth_analogue_projected,
    months_since_pth_analogue,
    calcitonin_months,
    calcitonin_projected,
    months_since_calcitonin,
    romosozumab_months,
    months_since_romosozumab,
    *,
    oral_review_from,
    intravenous_review_from,
    pause_within,
    pth_analogue_limit,
    calcitonin_limit,
    romosozumab_limit,
):
    found = []
    if oral_bisphosphonate_months >= oral_review_from or intravenous_bisphosphonate_months >= intravenous_review_from:
        if months_since_bisphosphonate > 0:
            if months_since_bisphosphonate <= pause_within:
                found.append("bisphosphonate-holiday-review:paused")
        elif adjuvant_endocrine_use:
            found.append("bisphosphonate-holiday-review")
        else:
            found.append("bisphosphonate-holiday-review:endocrine-over")
    if months_since_pth_analogue == 0:
        if pth_analogue_months >= pth_analogue_limit:
            found.append("teriparatide-24-months")
        elif pth_analogue_projected > pth_analogue_limit:
            found.append("teriparatide-24-months:projected")
    if months_since_calcitonin == 0:
        if calcitonin_months >= calcitonin_limit:
            found.append("calcitonin-3-months")
        elif calcitonin_projected > calcitonin_limit:
            found.append("calcitonin-3-months:projected")
    if months_since_romosozumab == 0 and romosozumab_months >= romosozumab_limit:
        found.append("dose-error:romosozumab-course")
    return found
