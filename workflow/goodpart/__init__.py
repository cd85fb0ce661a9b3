"""Layer skipping and representation structure in diffusion and autoregressive language models."""

__version__ = "0.1.0"
