def decide(
    inhibitor_as_presumed,
    ovarian_suppression_lacking,
    man,
    before_menopause,
    chemotherapy,
    age,
    *,
    uncertain_below,
):
    if not inhibitor_as_presumed or not ovarian_suppression_lacking:
        return []
    if man:
        return ["ai-premenopausal:man"]
    if before_menopause:
        return ["ai-premenopausal"]
    if chemotherapy and age < uncertain_below:
        return ["ai-premenopausal:confirm"]
    return []
