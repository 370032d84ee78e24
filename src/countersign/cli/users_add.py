"""countersign users add, password: users whose passwords are kept here."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from countersign.cli.common import DEFAULT_CONFIG, ConfigOption, fail
from countersign.cli.users_common import (
    NameArgument,
    Users,
    checked_name,
    console,
    deed,
    not_here,
    with_users,
)
from countersign.cli.users_offender import Asked, check_person, question_about

StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
GenerateOption = Annotated[
    bool, typer.Option("--generate", help="Make a password, and print it this once.")
]
WeakOption = Annotated[bool, typer.Option("--weak", help="Take a weak password all the same.")]
_MAX_LINE = 1024


def add_user(
    name: NameArgument,
    *,
    password_stdin: StdinOption = False,
    generate: GenerateOption = False,
    weak: WeakOption = False,
    person: Annotated[
        str, typer.Option(metavar="NAME", help="Full name, to ask the registrar about.")
    ] = "",
    born: Annotated[str, typer.Option(metavar="DATE", help="Birth date, as 1975-03-09.")] = "",
    number: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND:COUNTRY:NUMBER",
            help="Number of a paper, such as passport:DE:C01X00T47; may be given again.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Ask for full name and birth date here.")
    ] = False,
    accept_offender: Annotated[
        str, typer.Option(metavar="REASON", help="Add a known offender all the same.")
    ] = "",
    ask_later: Annotated[
        bool, typer.Option("--ask-later", help="If the registrar is away, add all the same.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Add a user; in force at once.

    With a full name and birth date, or the number of a paper, the registrar is asked first whether
    that person is a known offender. You decide; what was answered and decided is recorded, the
    particulars are not.

    Examples:
    countersign users add alice

    countersign users add alice --check

    countersign users add bob --person "Bob Roe" --born 1975-03-09 --password-stdin < file
    """
    user = checked_name(name)
    if check:
        person = person or typer.prompt("Full name")
        born = born or typer.prompt("Birth date (as 1975-03-09)")
    question = question_about(person, born, number or [])
    asked = Asked(question, accept_offender, ask_later)

    async def work(users: Users) -> None:
        if await users.accounts.find(user) is not None:
            fail(f"there is a user {user} already", 1)
        if not users.keeps_passwords:
            await _add_elsewhere(users, user, asked)
            return
        decision = await check_person(users, user, asked) if question is not None else None
        password = _new_password(user, users, password_stdin, generate, weak)
        if decision is not None:
            # Before the user is there: no crash leaves a user without it.
            await decision(users)
        await _add(users, user, password)
        console.print(f"{user} is added.", markup=False)
        users.hint_at_farm()
        if generate:
            typer.echo(password)

    with_users(config, work)


def set_password(
    name: NameArgument,
    *,
    password_stdin: StdinOption = False,
    generate: GenerateOption = False,
    weak: WeakOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Give a user a new password; the old one is void at once.

    Example: countersign users password alice --generate
    """
    user = checked_name(name)

    async def work(users: Users) -> None:
        if not users.keeps_passwords:
            not_here(users.config)
        await users.must_exist(user, to_sign_in=True)
        from countersign.gateway.submission.passwords import make_credentials

        password = _new_password(user, users, password_stdin, generate, weak)
        credentials = make_credentials(password, users.config.sign_in.local.scram_iterations)
        await users.accounts.set_password(user, credentials, deed())
        console.print(f"{user} has a new password.", markup=False)
        users.hint_at_farm()
        if generate:
            typer.echo(password)

    with_users(config, work)


async def _add(users: Users, user: str, password: str) -> None:
    from countersign.gateway.submission.passwords import make_credentials
    from countersign.storage.submission.account_rows import NewUser

    credentials = make_credentials(password, users.config.sign_in.local.scram_iterations)
    await users.accounts.add([NewUser(user, credentials)], deed())


async def _add_elsewhere(users: Users, user: str, asked: Asked) -> None:
    from countersign.storage.submission.account_rows import NewUser

    source = users.config.sign_in.source
    if asked.question is None:
        console.print(
            f"That is not needed: users and passwords are kept by {source}. Whoever signs in there "
            "may send. Limits, privileges and locks are given to any name."
        )
        return
    decision = await check_person(users, user, asked)
    await decision(users)
    await users.accounts.add([NewUser(user)], deed())
    console.print(
        f"What was decided about {user} is recorded; the password is kept by {source}.",
        markup=False,
    )


def _new_password(user: str, users: Users, from_stdin: bool, generate: bool, weak: bool) -> str:
    if generate:
        import secrets

        return secrets.token_urlsafe(15)
    if from_stdin:
        password = sys.stdin.readline(_MAX_LINE + 1).rstrip("\r\n")
    elif sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    else:
        fail("give the password with --password-stdin, or have one made with --generate")
    if not password or len(password) > _MAX_LINE or not password.isprintable():
        fail("a password has 1 to 1024 characters, and no control characters")
    if not weak:
        _check_strength(password, user, users.config.hostname)
    return password


def _check_strength(password: str, *words: str) -> None:
    from countersign.gateway.submission.passwords import WeakPasswordError, check_strength

    try:
        check_strength(password, *words)
    except WeakPasswordError as error:
        fail(f"{error} (--weak takes it all the same.)", 1)
