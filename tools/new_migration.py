"""Write a migration: the difference between the models and what the migrations make.

Usage: python tools/new_migration.py NUMBER "What it changes" [REVISION]

REVISION: the migration to start from (default: the newest; "" for an empty database).
"""

import sys
import tempfile
from pathlib import Path

from countersign.storage.database.engine import Database
from countersign.storage.database.migration import migrate, write_migration

if len(sys.argv) not in (3, 4):
    sys.exit(__doc__)
with tempfile.TemporaryDirectory() as directory:
    database = Database(f"sqlite:///{Path(directory) / 'empty.sqlite'}")
    revision = sys.argv[3] if len(sys.argv) == 4 else "head"
    if revision:
        migrate(database, revision)
    write_migration(database, sys.argv[2], sys.argv[1])
    database.close()
