"""Run `python -m goodpart.verify`."""

import sys

from goodpart.verify import main

sys.exit(main())
