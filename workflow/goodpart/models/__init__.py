"""Checkpoints: read strictly, loaded on a device, with layers skipped, measured (FLOPs, memory) and exported.

`checkpoints/` reads files without torch; `families/` has one file an architecture. May import `jobs`.
"""
