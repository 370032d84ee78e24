"""countersign registrar staff: the registrar's own people, from the command line."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from countersign.cli.common import fail
from countersign.cli.registrar_office import FileOption, open_or_fail
from countersign.rules.roles import STAFF, Role

app = typer.Typer(help="Invite staff, and see who there is.", no_args_is_help=True)
console = Console(soft_wrap=True)
_ROLES = ", ".join(sorted(STAFF))


@app.command()
def add(
    context: typer.Context,
    email: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    name: Annotated[str, typer.Option(help="The person's name.")],
    role: Annotated[list[str], typer.Option(help=f"{_ROLES}. May be given several times.")],
    config: FileOption = None,
) -> None:
    """Give somebody roles on the staff, and print a link by which a password is chosen, once.

    The link is also sent by mail. A second factor is asked for at the first sign-in.

    Example: countersign registrar staff add ada@example.org --name 'Ada L.' --role administrator
    """
    from countersign.registrar.mail.facts import token_page
    from countersign.registrar.operations.office import SYSTEM
    from countersign.registrar.operations.staff import INVITATION, invite

    if unknown := sorted(set(role) - STAFF):
        fail(f"there is no role {unknown[0]} on the staff; there are: {_ROLES}")
    with open_or_fail(context, config) as office:
        with office.work() as work:
            token = invite(work, SYSTEM, email, name, {Role(one) for one in role})
        if token is None:
            console.print("Done. The account has a password already.")
            return
        console.print("Done. The password is chosen here; the link works once, for a week:\n")
        console.print(token_page(office.config, INVITATION, token), highlight=False)


@app.command("list")
def list_staff(context: typer.Context, config: FileOption = None) -> None:
    """List the staff with roles, and whether they can sign in.

    Example: countersign registrar staff list
    """
    from countersign.registrar.queries.people import staff_members

    with open_or_fail(context, config) as office, office.reading() as work:
        members = staff_members(work)
    if not members:
        console.print("Nobody is on the staff: see countersign registrar staff add --help")
        return
    table = Table("account", "e-mail", "name", "roles", "state")
    for account in members:
        state = "disabled" if account.disabled_at else "" if account.password_hash else "invited"
        roles = ", ".join(sorted(one.role for one in account.roles))
        table.add_row(str(account.id), account.email, account.name, roles, state)
    console.print(table)
