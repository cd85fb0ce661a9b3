"""Hidden states: captured while a model decodes, cached as Parquet, and turned into similarities and norms.

May import `decoding`, `models` and `jobs`.
"""
