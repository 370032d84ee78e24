"""Look-up of registered servers."""
