"""The process that the service starts; see `inside.py`."""

from __future__ import annotations

import json
import os
import sys

from countersign.registrar.config import RegistrarConfig
from countersign.registrar.opening import OpeningError, open_office
from countersign.registrar.primary.metrics import PrimaryMetrics
from countersign.registrar.primary.process import run_primary
from countersign.settings.log import configure_log


def main() -> int:
    """Run the primary; return the exit status."""
    line = sys.stdin.buffer.readline()
    if not line:
        return 1
    config = RegistrarConfig.model_validate_json(line)
    configure_log(config.log, primary=True)
    # Whatever prints must not get between us and the service.
    report = os.dup(1)
    os.dup2(2, 1)

    def say(**said: object) -> None:
        os.write(report, json.dumps(said).encode() + b"\n")
        os.close(report)

    try:
        office = open_office(config)
        try:
            run_primary(
                office,
                ready=lambda addresses: say(listening=addresses),
                metrics=PrimaryMetrics(),
                lifeline=sys.stdin.fileno(),
            )
        finally:
            office.database.close()
    except OpeningError as error:
        say(error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
