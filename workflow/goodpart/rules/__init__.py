"""One module a Snakemake rule, named as the rule; each runs as `python -m goodpart.rules.NAME`."""
