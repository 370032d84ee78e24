"""probes, their orders, and the test mailbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "probe",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("network", sa.String(length=64), nullable=False),
        sa.Column("as_number", sa.BigInteger(), nullable=True),
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("invited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token_digest", sa.String(length=64), nullable=True),
        sa.Column("token_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("enrolled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probe")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_probe_token_digest")),
    )
    with op.batch_alter_table("probe", schema=None) as batch_op:
        batch_op.create_index(
            "uq_probe_current_name",
            ["name"],
            unique=True,
            sqlite_where=sa.text("revoked_at IS NULL"),
            postgresql_where=sa.text("revoked_at IS NULL"),
        )

    op.create_table(
        "sending_test",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "server_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("mark", sa.String(length=32), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("verdict", sa.String(length=32), nullable=False),
        sa.Column(
            "result", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["server_id"], ["server.id"], name=op.f("fk_sending_test_server_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sending_test")),
        sa.UniqueConstraint("mark", name=op.f("uq_sending_test_mark")),
    )
    with op.batch_alter_table("sending_test", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sending_test_server_id"), ["server_id"], unique=False)

    op.create_table(
        "probe_order",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("probe_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("label", sa.String(length=32), nullable=False),
        sa.Column("mark", sa.String(length=32), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "result", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("result_digest", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["probe_id"], ["probe.id"], name=op.f("fk_probe_order_probe_id")),
        sa.ForeignKeyConstraint(["run_id"], ["test_run.id"], name=op.f("fk_probe_order_run_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probe_order")),
        sa.UniqueConstraint("mark", name=op.f("uq_probe_order_mark")),
        sa.UniqueConstraint("run_id", "probe_id", name=op.f("uq_probe_order_run_id_probe_id")),
    )
    with op.batch_alter_table("probe_order", schema=None) as batch_op:
        batch_op.create_index(
            "ix_probe_order_open",
            ["probe_id", "id"],
            unique=False,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "arrival",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("order_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("arrived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_address", sa.String(length=64), nullable=False),
        sa.Column("hello", sa.String(length=255), nullable=False),
        sa.Column("head", sa.LargeBinary(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["order_id"], ["probe_order.id"], name=op.f("fk_arrival_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_arrival")),
        sa.UniqueConstraint(
            "order_id", "kind", "number", name=op.f("uq_arrival_order_id_kind_number")
        ),
    )
    with op.batch_alter_table("arrival", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_arrival_order_id"), ["order_id"], unique=False)

    op.create_table(
        "signing_key",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("purpose", sa.String(length=32), nullable=False),
        sa.Column("public_key", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_key")),
        sa.UniqueConstraint("purpose", name=op.f("uq_signing_key_purpose")),
    )
    with op.batch_alter_table("server", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("control_token", sa.String(length=64), nullable=False, server_default="")
        )
        batch_op.add_column(
            sa.Column("control_proven_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.add_column(
            sa.Column("control_method", sa.String(length=32), nullable=False, server_default="")
        )
        batch_op.add_column(
            sa.Column("control_checked_at", sa.DateTime(timezone=True), nullable=True)
        )
        batch_op.add_column(
            sa.Column("control_seen", sa.String(length=1000), nullable=False, server_default="")
        )
        batch_op.add_column(sa.Column("next_test_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index("ix_server_next_test", ["next_test_at"], unique=False)

    with op.batch_alter_table("test_run", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("differs", sa.Boolean(), nullable=False, server_default=sa.false())
        )
        batch_op.add_column(
            sa.Column("trouble", sa.String(length=255), nullable=False, server_default="")
        )


def downgrade() -> None:
    """Take it back."""
    # One by one: SQLite would else make the tables anew, and other rows refer to theirs.
    op.drop_column("test_run", "trouble")
    op.drop_column("test_run", "differs")
    op.drop_index("ix_server_next_test", table_name="server")
    op.drop_column("server", "next_test_at")
    op.drop_column("server", "control_seen")
    op.drop_column("server", "control_checked_at")
    op.drop_column("server", "control_method")
    op.drop_column("server", "control_proven_at")
    op.drop_column("server", "control_token")

    op.drop_table("signing_key")
    with op.batch_alter_table("arrival", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_arrival_order_id"))

    op.drop_table("arrival")
    with op.batch_alter_table("probe_order", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_probe_order_open",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.drop_table("probe_order")
    with op.batch_alter_table("sending_test", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_sending_test_server_id"))

    op.drop_table("sending_test")
    with op.batch_alter_table("probe", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_probe_current_name",
            sqlite_where=sa.text("revoked_at IS NULL"),
            postgresql_where=sa.text("revoked_at IS NULL"),
        )

    op.drop_table("probe")
