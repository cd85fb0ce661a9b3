"""Tools beside the library: the command `goodpart`, the tiny models, and verification against references.

They may import every room of `goodpart`; nothing in `goodpart` imports them, except `goodpart.verify`.
"""
