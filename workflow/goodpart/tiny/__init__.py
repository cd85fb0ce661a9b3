"""The tiny checkpoints: corpus, tokenizer and training. Nothing outside this package depends on it."""
