"""Where the lab keeps its runs and reports."""

import os
from pathlib import Path


def lab_folder() -> Path:
    """``SEVENB_LAB``, else ``$XDG_DATA_HOME/sevenb/lab``, that is ``~/.local/share/sevenb/lab``."""
    given = os.environ.get("SEVENB_LAB")
    if given:
        return Path(given).expanduser().absolute()
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sevenb" / "lab"
