"""Run `python -m goodpart_tools.verify`."""

import sys

from goodpart_tools.verify import main

sys.exit(main())
