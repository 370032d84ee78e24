"""Static files of a website: shared ones and its own, under the hash of all of them."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

STATIC_PREFIX = "/static/"
SHARED = Path(__file__).parent / "static"


class StaticFolders:
    """Files are addressed under a hash of all of them, so that browsers may keep them for a year.

    The folders are read once.
    """

    def __init__(self, *own: Path) -> None:
        """own: folders beside the shared one; no name may be in two of them."""
        self.folders = (SHARED, *own)

    @functools.cached_property
    def version(self) -> str:
        """The hash of all static files: it changes when any of them does."""
        digest = hashlib.sha256()
        for name, path in sorted(self._files.items()):
            digest.update(f"{name}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]

    def url(self, name: str) -> str:
        """Return the address of a static file: ``/static/<hash>/<name>``.

        Raises :class:`FileNotFoundError` for a file that is not there.
        """
        self.find(name)
        return f"{STATIC_PREFIX}{self.version}/{name}"

    def find(self, name: str) -> Path:
        """Return where a static file is. Raises :class:`FileNotFoundError`."""
        try:
            return self._files[name]
        except KeyError:
            raise FileNotFoundError(f"no static file {name}") from None

    @functools.cached_property
    def _files(self) -> dict[str, Path]:
        return {
            path.relative_to(folder).as_posix(): path
            for folder in self.folders
            for path in folder.rglob("*")
            if path.is_file()
        }
