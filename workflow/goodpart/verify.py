"""`python -m goodpart.verify` is `goodpart verify`, for installations without the command."""

import sys

from goodpart_tools.cli import main

if __name__ == "__main__":
    main(["verify", *sys.argv[1:]])
