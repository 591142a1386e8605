"""The ledger's tables. A change here needs a migration beside it in ``migrations``."""

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

case_table = Table(
    "case",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("ct_digest", String(64), nullable=False, unique=True),
    Column("patient_id", String(64), index=True),
    Column("exam_id", String(64), index=True),
    Column("created", String(40), nullable=False),
    Column("record", JSON, nullable=False),
)

mask_table = Table(
    "mask",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("case_id", String(64), ForeignKey("case.id"), nullable=False),
    Column("structure", String(64), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("maker", String(200), nullable=False),
    Column("round", Integer),
    Column("created", String(40), nullable=False),
    Column("record", JSON, nullable=False),
    Index("mask_by_case_and_structure", "case_id", "structure"),
    Index("mask_by_maker", "maker"),
)

verdict_table = Table(
    "verdict",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("case_id", String(64), ForeignKey("case.id"), nullable=False, index=True),
    Column("structure", String(64)),
    Column("mask_id", String(64)),
    Column("decision", String(16), nullable=False),
    Column("by", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("seconds", Float),
    Column("created", String(40), nullable=False, index=True),
)

round_table = Table(
    "round",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("target_cases", Integer, nullable=False),
    Column("manifest_digest", String(64), nullable=False),
    Column("created", String(40), nullable=False),
)

run_table = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("stage", String(64), nullable=False),
    Column("settings", JSON, nullable=False),
    Column("settings_digest", String(64), nullable=False),
    Column("started", String(40), nullable=False),
    Column("ended", String(40)),
)

outcome_table = Table(
    "outcome",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("run_id", Integer, ForeignKey("run.id"), nullable=False, index=True),
    Column("subject", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("note", Text, nullable=False),
    Column("figures", JSON, nullable=False),
    Column("created", String(40), nullable=False),
)
