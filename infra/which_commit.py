"""Which commit an environment may run: `python3 infra/which_commit.py prod` prints `commit=…` and why.

For workflows, on a machine with nothing but Python; what it does lies in provisioning/proof.py.
"""

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(import_module("infra.provisioning.proof").main())
