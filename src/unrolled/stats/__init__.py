"""Statistical tests and intervals on arrays, in NumPy and SciPy; imports no model and no data.

paired              two models on the same cases: McNemar, sign flips, corrected t
intervals           confidence intervals of a share and of a mean
dependence          what groups and folds add to the variance of a mean
skewness            Hall's correction of Student's t, and its inverse
permutation         p-value of a permutation test
serial_correlation  does the order of values, or of tokens, carry information?
"""
