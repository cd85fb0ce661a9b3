"""Plan several runs of Snakemake in one process. Standard input: a JSON list with the arguments of each run.

Prints one line of JSON per run: its arguments, whether Snakemake could plan it, and the end of what it said.
"""

import contextlib
import io
import json
import sys

from snakemake.cli import args_to_api, parse_args

for words in json.load(sys.stdin):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        parser, arguments = parse_args(words)
        planned = args_to_api(arguments, parser)
    print(json.dumps({"run": words, "planned": bool(planned), "said": said.getvalue()[-1500:]}), flush=True)
