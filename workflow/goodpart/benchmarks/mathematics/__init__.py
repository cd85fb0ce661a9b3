"""Reading and comparing answers in mathematics, for scorers: LaTeX, numbers, words, sets, equations."""
