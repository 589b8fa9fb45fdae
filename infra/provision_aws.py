"""Make, change, show and remove one environment on AWS: `python infra/provision_aws.py --env staging`.

Needs the package installed. What it does lies in provisioning/; infra/README.md says in which order to do things.
"""

import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(import_module("infra.provisioning.command").main())
