"""The first tables: cases, masks, verdicts, rounds, runs and their outcomes."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    _case_and_mask()
    _verdict()
    _round_and_runs()


def downgrade() -> None:
    """Drop the tables."""
    for table in ("outcome", "run", "round", "verdict", "mask", "case"):
        op.drop_table(table)


def _case_and_mask() -> None:
    op.create_table(
        "case",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("ct_digest", sa.String(64), nullable=False, unique=True),
        sa.Column("patient_id", sa.String(64), index=True),
        sa.Column("exam_id", sa.String(64), index=True),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
    )
    op.create_table(
        "mask",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("case_id", sa.String(64), sa.ForeignKey("case.id"), nullable=False),
        sa.Column("structure", sa.String(64), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("maker", sa.String(200), nullable=False),
        sa.Column("round", sa.Integer),
        sa.Column("created", sa.String(40), nullable=False),
        sa.Column("record", sa.JSON, nullable=False),
        sa.Index("mask_by_case_and_structure", "case_id", "structure"),
        sa.Index("mask_by_maker", "maker"),
    )


def _verdict() -> None:
    op.create_table(
        "verdict",
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("case_id", sa.String(64), sa.ForeignKey("case.id"), nullable=False, index=True),
        sa.Column("structure", sa.String(64)),
        sa.Column("mask_id", sa.String(64)),
        sa.Column("decision", sa.String(16), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("seconds", sa.Float),
        sa.Column("created", sa.String(40), nullable=False, index=True),
    )


def _round_and_runs() -> None:
    op.create_table(
        "round",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("target_cases", sa.Integer, nullable=False),
        sa.Column("manifest_digest", sa.String(64), nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("stage", sa.String(64), nullable=False),
        sa.Column("settings", sa.JSON, nullable=False),
        sa.Column("settings_digest", sa.String(64), nullable=False),
        sa.Column("started", sa.String(40), nullable=False),
        sa.Column("ended", sa.String(40)),
    )
    op.create_table(
        "outcome",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("run.id"), nullable=False, index=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("figures", sa.JSON, nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
    )
