"""The tiny checkpoints: corpus, tokenizer and training. No other part of the package depends on this one."""
