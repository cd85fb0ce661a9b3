"""Finding the final answer in a completion with Python code, for scorers. Only the sandbox runs it."""
