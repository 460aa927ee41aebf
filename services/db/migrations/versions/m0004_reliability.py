"""What pausing, resuming and telling of it need to remember."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("counted_from", sa.Integer(), server_default=sa.text("1"), nullable=False)
        )
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("exact", sa.Boolean(), nullable=True))
        batch_op.add_column(sa.Column("last_report", sa.String(length=32), nullable=True))
    with op.batch_alter_table("checkpoints", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("abandoned", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_deliveries_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deliveries_job_id"), ["job_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deliveries_due_at"), ["due_at"], unique=False)


def downgrade() -> None:
    op.drop_table("deliveries")
    with op.batch_alter_table("checkpoints", schema=None) as batch_op:
        batch_op.drop_column("abandoned")
    with op.batch_alter_table("attempts", schema=None) as batch_op:
        batch_op.drop_column("last_report")
        batch_op.drop_column("exact")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_column("counted_from")
