"""The comparison with the paper: its cells with their sampling error, and its claims as predicates."""
