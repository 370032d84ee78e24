"""Wake workers in all processes when a transaction that ordered a job commits (PostgreSQL)."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    if op.get_bind().dialect.name == "sqlite":
        return
    op.execute(
        "CREATE FUNCTION tell_of_job() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NOTIFY countersign_job; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER job_notice AFTER INSERT ON job "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_of_job()"
    )


def downgrade() -> None:
    """Take it back."""
    if op.get_bind().dialect.name == "sqlite":
        return
    op.execute("DROP TRIGGER job_notice ON job")
    op.execute("DROP FUNCTION tell_of_job()")
