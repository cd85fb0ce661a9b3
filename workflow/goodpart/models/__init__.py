"""Checkpoints: read strictly, loaded on a device, with layers skipped, measured (FLOPs, memory) and exported.

`checkpoints/` reads files without torch. `architectures/` has one file per way to build a model, `families/`
one per way to decode. May import `jobs`.
"""
