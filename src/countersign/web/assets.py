"""Static files, under the hash of all of them: a browser may keep them for a year."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from countersign.web.security.records import ROUTE
from countersign.web.static_folders import StaticFolders


class Assets:
    """Serves ``/<hash>/<name>``; under another hash the file may not be kept."""

    def __init__(self, statics: StaticFolders) -> None:
        self._statics = statics
        self._files = StaticFiles(directory=statics.folders[0])
        self._files.all_directories = list(statics.folders)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        scope[ROUTE] = "/static"
        path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")))
        version, _, name = path.lstrip("/").partition("/")
        response: Response
        try:
            response = await self._files.get_response(name, scope)
        except HTTPException as error:
            response = PlainTextResponse("There is no such file.\n", error.status_code)
        if response.status_code in (200, 304):
            kept = "public, max-age=31536000, immutable"
            is_current = version == self._statics.version
            response.headers["Cache-Control"] = kept if is_current else "no-cache"
        await response(scope, receive, send)
