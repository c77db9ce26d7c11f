def decide(breast_cancer, woman, before_menopause, ovarian_suppression, bisphosphonate_use):
    after_menopause = not before_menopause or ovarian_suppression
    if breast_cancer and woman and after_menopause and not bisphosphonate_use:
        return ["adjuvant-bisphosphonate"]
    return []
