"""The receiving side: verifies each client, then proxies its mail to the backend."""
