"""Decoding: one sampler a family, and what they share."""
