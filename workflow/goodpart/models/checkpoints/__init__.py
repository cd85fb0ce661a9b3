"""Checkpoints in public formats, read strictly from their files without any weight.

`read_checkpoint` gives a `Checkpoint`, or a GoodpartError with file and key. What config.json may hold is in
`keys`, its numbers in `architecture`, tensors in `names` and `tensors`, ids in `ids`, text in `tokenizer`.
Neither torch nor transformers is imported.
"""
