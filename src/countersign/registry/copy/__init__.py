"""A copy of a zone on this host, which any number of processes read without locks."""
