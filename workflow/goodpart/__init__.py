"""Layer skipping and representation structure in diffusion and autoregressive language models.

`load`, `skipping`, `decode` and `settings_for` can be imported from here.
"""

import importlib
from typing import Any

__version__ = "0.1.0"
# Imported when they are asked for: torch takes seconds.
_MODULES = {
    "load": "goodpart.models.loading",
    "skipping": "goodpart.models.skipping",
    "decode": "goodpart.decoding.decode",
    "settings_for": "goodpart.decoding.decode",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
