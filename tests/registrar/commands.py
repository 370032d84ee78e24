"""The sub-commands of `countersign registrar`, run on an office's data."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select
from typer.testing import CliRunner, Result

from countersign.cli.main import app
from countersign.registrar.operations.office import Office
from countersign.storage.database.accounts import AccessRecord


class Commands:
    """Runs the commands of one group."""

    def __init__(self, office: Office, directory: Path, group: str) -> None:
        self.office = office
        self._file = directory / "registrar.toml"
        self._group = group
        state, url = office.config.state_directory, office.config.database
        self._file.write_text(f'state_directory = "{state}"\ndatabase = "{url}"\n')

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        config = ["registrar", "--config", str(self._file), self._group]
        result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*config, *arguments])
        assert result.exit_code == code, result.output + result.stderr
        return result

    def records(self) -> list[str]:
        with self.office.reading() as work:
            return list(work.session.scalars(select(AccessRecord.what).order_by(AccessRecord.id)))
