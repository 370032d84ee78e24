"""Pages for everybody: what this is, the directory, look-up of a host, figures."""
