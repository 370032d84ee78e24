"""countersign users: who may send, and how much."""

from __future__ import annotations

import typer

from countersign.cli import (
    users_add,
    users_agreement,
    users_change,
    users_export,
    users_import,
    users_list,
    users_privilege,
    users_remove,
)

app = typer.Typer(
    help="Users who submit mail: add, limit, lock, grant privileges.\n\n"
    "Every command works while the gateway runs, and is in force with the next message. What was "
    "decided, by whom and why is recorded: countersign users show NAME.",
    no_args_is_help=True,
)
app.command("add")(users_add.add_user)
app.command("list")(users_list.list_users)
app.command("show")(users_list.show_user)
app.command("password")(users_add.set_password)
app.command("limit")(users_change.set_limits)
app.command("stamp")(users_change.set_stamping)
app.command("lock")(users_change.lock_user)
app.command("unlock")(users_change.unlock_user)
app.command("privilege")(users_privilege.grant_privilege)
app.command("revoke")(users_privilege.revoke_privilege)
app.command("agreement")(users_agreement.print_agreement)
app.command("agreed")(users_agreement.record_agreement)
app.command("disable")(users_change.disable_user)
app.command("enable")(users_change.enable_user)
app.command("administrator")(users_change.set_administrator)
app.command("remove")(users_remove.remove_user)
app.command("import")(users_import.import_users)
app.command("export")(users_export.export_users)
