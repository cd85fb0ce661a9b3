"""Completions, their scores, the cells of a study with intervals, the tables, and the paper side by side.

`paper/` compares with the paper's cells and claims. May import every room but `config`.
"""
