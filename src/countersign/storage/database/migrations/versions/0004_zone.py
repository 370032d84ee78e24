"""the zone's versions, and who has copies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "secondary",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "secondary", "signer", "replica", name="secondarykind", native_enum=False, length=32
            ),
            nullable=False,
        ),
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("contact", sa.String(length=255), nullable=False),
        sa.Column(
            "notify", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("ask", sa.String(length=64), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secondary")),
    )
    with op.batch_alter_table("secondary", schema=None) as batch_op:
        batch_op.create_index(
            "uq_secondary_current_name",
            ["name"],
            unique=True,
            sqlite_where=sa.text("removed_at IS NULL"),
            postgresql_where=sa.text("removed_at IS NULL"),
        )

    op.create_table(
        "zone_version",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("follows", sa.Boolean(), nullable=False),
        sa.Column("changes", sa.LargeBinary(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("node_sum", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zone_version")),
    )
    with op.batch_alter_table("zone_version", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_zone_version_serial"), ["serial"], unique=False)

    op.create_table(
        "secondary_key",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "secondary_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("algorithm", sa.String(length=32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["secondary_id"], ["secondary.id"], name=op.f("fk_secondary_key_secondary_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secondary_key")),
        sa.UniqueConstraint("name", name=op.f("uq_secondary_key_name")),
    )
    with op.batch_alter_table("secondary_key", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_secondary_key_secondary_id"), ["secondary_id"], unique=False
        )

    op.create_table(
        "secondary_state",
        sa.Column(
            "secondary_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("serial", sa.BigInteger(), nullable=True),
        sa.Column("serial_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("transfer", sa.String(length=32), nullable=False),
        sa.Column("transferred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("octets", sa.BigInteger(), nullable=False),
        sa.Column("notified_serial", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.String(length=255), nullable=False),
        sa.Column("error_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("behind_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alerted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["secondary_id"], ["secondary.id"], name=op.f("fk_secondary_state_secondary_id")
        ),
        sa.PrimaryKeyConstraint("secondary_id", name=op.f("pk_secondary_state")),
    )
    op.create_table(
        "server_address",
        sa.Column(
            "server_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["server_id"], ["server.id"], name=op.f("fk_server_address_server_id")
        ),
        sa.PrimaryKeyConstraint("server_id", "address", name=op.f("pk_server_address")),
    )
    with op.batch_alter_table("server_address", schema=None) as batch_op:
        batch_op.create_index("ix_server_address_address", ["address", "server_id"], unique=False)
    _watch_versions()


def _watch_versions() -> None:
    """Let nobody change a version that was published, and tell the primary of a new one."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER zone_version_no_update BEFORE UPDATE ON zone_version "
            "BEGIN SELECT RAISE(ABORT, 'a published version is not changed'); END"
        )
        return
    op.execute(
        "CREATE TRIGGER zone_version_no_update BEFORE UPDATE ON zone_version "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE FUNCTION tell_of_version() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN NOTIFY countersign_zone; RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER zone_version_notice AFTER INSERT ON zone_version "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_of_version()"
    )


def downgrade() -> None:
    """Take it back."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER zone_version_no_update")
    else:
        op.execute("DROP TRIGGER zone_version_notice ON zone_version")
        op.execute("DROP TRIGGER zone_version_no_update ON zone_version")
        op.execute("DROP FUNCTION tell_of_version()")
    with op.batch_alter_table("server_address", schema=None) as batch_op:
        batch_op.drop_index("ix_server_address_address")

    op.drop_table("server_address")
    op.drop_table("secondary_state")
    with op.batch_alter_table("secondary_key", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_secondary_key_secondary_id"))

    op.drop_table("secondary_key")
    with op.batch_alter_table("zone_version", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_zone_version_serial"))

    op.drop_table("zone_version")
    with op.batch_alter_table("secondary", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_secondary_current_name",
            sqlite_where=sa.text("removed_at IS NULL"),
            postgresql_where=sa.text("removed_at IS NULL"),
        )

    op.drop_table("secondary")
