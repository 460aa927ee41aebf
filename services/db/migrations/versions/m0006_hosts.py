"""Jobs that are spread over several hosts."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        for name in ("hosts", "min_world_size"):
            batch_op.add_column(
                sa.Column(name, sa.Integer(), server_default=sa.text("1"), nullable=False)
            )
    op.execute("UPDATE jobs SET min_world_size = world_size")
    op.create_table(
        "seats",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("endpoint", sa.String(length=255), nullable=False),
        sa.Column("device", sa.String(length=16), nullable=False),
        sa.Column("checkpoint_id", sa.String(length=32), nullable=True),
        sa.Column("worker", sa.String(length=128), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_seats_job_id")),
        sa.PrimaryKeyConstraint("job_id", "token", "number", name=op.f("pk_seats")),
        sa.UniqueConstraint("job_id", "token", "worker", name=op.f("uq_seats_job_id")),
    )


def downgrade() -> None:
    op.drop_table("seats")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_column("min_world_size")
        batch_op.drop_column("hosts")
