"""The paper side by side: its cells with their sampling error, and its claims as predicates."""
