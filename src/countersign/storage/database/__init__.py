"""The registrar's database: models, engine, migrations (DESIGN §6). SQLite or PostgreSQL."""
