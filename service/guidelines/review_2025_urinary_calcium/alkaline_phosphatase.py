def decide(high_alp, breast_cancer, inhibitor):
    return ["exclude-metastasis:alkaline-phosphatase"] if high_alp and (breast_cancer or inhibitor) else []
