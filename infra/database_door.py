"""Open and close the database for the address this runs at: `python infra/database_door.py open --group sg-...`.

For workflows with runner reach: open, run, close in a step that always runs, and sweep what others have left open.
Needs the package installed; what it does lies in provisioning/door.py.
"""

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(import_module("infra.provisioning.door").main())
