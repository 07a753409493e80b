"""IFEval: does an answer keep to instructions that can be checked by rule? (Zhou et al. 2023, arXiv 2311.07911)"""
