"""`python -m goodpart_tools` is the command `goodpart`."""

from goodpart_tools.cli import main

main()
