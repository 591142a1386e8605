"""Alembic migrations of the ledger: its tables change by these steps and in no other way."""
