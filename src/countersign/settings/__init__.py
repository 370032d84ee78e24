"""Settings of every server: their kinds of value, the TOML file, logs."""
