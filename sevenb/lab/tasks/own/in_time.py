"""Work that may take for ever, such as matching a pattern: done in a process that can be ended."""

import json
import subprocess
import sys
from typing import Any

SECONDS = 5.0
TOO_LONG = object()


def in_time(script: str, *inputs: Any) -> Any:
    """What a script makes of its ``inputs``, which it finds under that name; it leaves JSON in ``answer``.

    `TOO_LONG` where that takes more than `SECONDS`, or breaks. The script may import what this process may.
    """
    whole = f"import json, sys\nsys.path[:], inputs = json.load(sys.stdin)\n{script}\njson.dump(answer, sys.stdout)"
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", whole],
            input=json.dumps([sys.path, inputs]),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return TOO_LONG
    return json.loads(done.stdout)
