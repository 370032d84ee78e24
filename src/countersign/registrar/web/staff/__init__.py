"""Pages of the registrar's own people."""
