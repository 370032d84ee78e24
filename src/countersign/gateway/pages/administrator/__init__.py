"""The administrator's pages: one module for each."""
