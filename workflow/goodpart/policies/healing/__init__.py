"""Light fine-tuning after skipping: LoRA on the layers that stay, trained towards the full-depth model.

`examples` has the prompts and the model's own completions, `losses` what is minimized, `adapters` LoRA by
`peft`, `training` the loop, `checkpoint` the merged weights. Nothing else in the project imports `peft`.
"""

HELD_OUT = 8  # one prompt in so many is measured and never trained on
MISSING = "healing needs peft, which is not installed; run pip install -c envs/lock.txt -e '.[heal]'"
