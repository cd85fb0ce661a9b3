"""Completions of a loaded model: prompts as tokens, samplers, caches, likelihoods and KL.

`samplers/` has one file a way of decoding. May import `models` and `jobs`.
"""
