"""Run a command as a task of the private network, as if it ran here: `python infra/run_task.py pce check --json`.

For workflows with private reach. Its output becomes this program's output, its exit code this program's. Needs the
package installed; what it does lies in provisioning/task.py. `--side-by-side 4 pce refresh --years 1997...2024` starts
ranges of these years as four tasks at a time, and then the refresh that needs all of them.
"""

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(import_module("infra.provisioning.task").main())
