"""Migrations of the registrar's database (Alembic)."""
