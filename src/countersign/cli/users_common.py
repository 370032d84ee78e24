"""What the commands of `countersign users` share: the stores, who decides, how times are shown."""

from __future__ import annotations

import asyncio
import getpass
import os
import time
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, BinaryIO, NoReturn, TypeVar

import typer
from rich.console import Console

from countersign.cli.common import fail, read_config
from countersign.gateway.config import Config
from countersign.gateway.submission.settings import SourceKind
from countersign.rules.naming import Naming
from countersign.rules.submission import normalise_user
from countersign.settings.log import configure_log
from countersign.settings.values import Log
from countersign.storage.tables import TablesUnavailableError

if TYPE_CHECKING:
    # The commands that need them import them: others start faster.
    from countersign.storage.submission.account_rows import Deed, User
    from countersign.storage.submission.accounts import Accounts
    from countersign.storage.submission.tables import SubmissionTables

_Result = TypeVar("_Result")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The user's name.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; kept in the record.")]
console = Console(soft_wrap=True)
_TO_OTHERS = (
    "Do the same there; or countersign users export here, and countersign users import --replace "
    "there."
)
_MAX_PAPER = 100 * 1024 * 1024


class Users:
    """The stores that the commands work with, and the configuration."""

    def __init__(self, config: Config) -> None:
        """Raise :class:`TablesUnavailableError`."""
        from countersign.storage.submission.accounts import Accounts

        self.config = config
        self._directory = config.state_directory / "submission"
        self.accounts: Accounts = Accounts(self._directory)
        self._tables: SubmissionTables | None = None

    @property
    def tables(self) -> SubmissionTables:
        """Counts and locks; opened at the first use."""
        if self._tables is None:
            from countersign.storage.submission.opening import open_submission_tables

            self._tables = open_submission_tables(self.config.storage.url, self._directory)
        return self._tables

    @property
    def keeps_passwords(self) -> bool:
        """Whether users and their passwords are kept here, not by Dovecot or a directory."""
        return self.config.sign_in.source is SourceKind.LOCAL

    @property
    def knows_all(self) -> bool:
        """Whether only who is stored here can send: nobody else lets users in (the MTA, milter)."""
        return self.keeps_passwords and not self.config.milter.enabled

    async def must_exist(self, name: str, *, to_sign_in: bool = False) -> User | None:
        """Return what is stored of a user; ends the command if there is none where all must be.

        to_sign_in: whether it is about a password that is kept here, if passwords are.
        """
        found = await self.accounts.find(name)
        must_be_here = self.keeps_passwords if to_sign_in else self.knows_all
        if found is None and must_be_here:
            fail(f"there is no user {name}: countersign users add {quote(name)}", 1)
        if found is None and self.config.sign_in.source is not SourceKind.LDAP:
            self._must_be_counted(name)
        return found

    def _must_be_counted(self, name: str) -> None:
        """End the command for a name that no sign-in has: a lock on it would stop nobody."""
        sign_in = self.config.sign_in
        naming = Naming(sign_in.names == "local-part", frozenset(sign_in.domains))
        try:
            counted = naming.user(name)
        except ValueError as error:
            fail(f"nobody can sign in as {name}: {error} (sign_in.names, sign_in.domains)", 1)
        if counted != name:
            fail(f"who signs in as {name} is counted as {counted} (sign_in.names): name that", 1)

    async def all(self) -> dict[str, User]:
        """Return what is stored of all users, by name."""
        found: dict[str, User] = {}
        after = ""
        while page := await self.accounts.list(after):
            found.update((one.name, one) for one in page)
            after = page[-1].name
        return found

    async def hint_at_lock(self, name: str) -> None:
        """Say it if an account is still locked, though it may send more now."""
        if await self.tables.lock_of(name) is not None:
            console.print(
                f"The account is locked: countersign users unlock {quote(name)}", markup=False
            )

    def hint_at_farm(self, words: str = "") -> None:
        """Say it if other hosts may have users' files of their own. words: what to do there."""
        if self.config.storage.url:
            console.print(
                "This host's file of users was changed, and no other's of the farm. "
                f"{words or _TO_OTHERS}",
                markup=False,
            )

    async def aclose(self) -> None:
        """Close the stores."""
        await self.accounts.aclose()
        if self._tables is not None:
            await self._tables.aclose()


def with_users(path: Path, work: Callable[[Users], Awaitable[_Result]]) -> _Result:
    """Do some work with the stores, or end with what is wrong. path: the configuration's."""
    from countersign.storage.submission.account_rows import UserError

    config = read_config(path)
    # What matters is said by the command itself.
    configure_log(Log(level="error", format="console"))

    async def run() -> _Result:
        users = Users(config)
        try:
            return await work(users)
        finally:
            await users.aclose()

    try:
        return asyncio.run(run())
    except UserError as error:
        fail(str(error), 1)
    except TablesUnavailableError as error:
        fail(f"the users cannot be read or changed: {error}", 1)


def checked_name(name: str) -> str:
    """Return the one form of a user's name, or end."""
    try:
        return normalise_user(name)
    except ValueError as error:
        fail(f"{name!r}: {error}")


def deed(words: str = "") -> Deed:
    """Return who decides here and now. words: why."""
    from countersign.storage.submission.account_rows import Deed

    return Deed(who(), time.time(), words)


def who() -> str:
    """Return who runs the command, also if by sudo."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def checked_day(text: str, option: str) -> date:
    """Return a day of the past or today, or end."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        fail(f"{option}: write the day as 2026-03-31")
    if day > datetime.now().astimezone().date():
        fail(f"{option}: {day} is still to come")
    return day


def paper_digest(file: Path | None) -> str:
    """Return SHA-256 of a signed paper, hexadecimal; empty without one. Ends if unreadable."""
    import hashlib

    if file is None:
        return ""
    digest, size = hashlib.sha256(), 0
    try:
        with file.open("rb") as stream:
            while piece := stream.read(1024 * 1024):
                digest.update(piece)
                size += len(piece)
                if size > _MAX_PAPER:
                    fail(f"{file} is larger than a scan can be")
    except OSError as error:
        fail(f"{file}: {error.strerror}")
    if not size:
        fail(f"{file} is empty")
    return digest.hexdigest()


def new_file(path: Path) -> BinaryIO:
    """Open a new file for what is personal, which only its owner can read (0600); or end."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        fail(f"{path} is there already")
    except OSError as error:
        fail(f"{path}: {error.strerror}", 1)
    return os.fdopen(handle, "wb")


def shown_time(at: float) -> str:
    """Return a time as the commands show it: local."""
    return f"{datetime.fromtimestamp(at).astimezone():%Y-%m-%d %H:%M:%S}"


def shown_limit(limit: int | None) -> str:
    """Return a limit as the commands show it."""
    return "no limit" if limit is None else str(limit)


def not_here(config: Config) -> NoReturn:
    """End: passwords are kept elsewhere."""
    fail(f"passwords are kept by {config.sign_in.source} (sign_in.source): change them there", 1)
