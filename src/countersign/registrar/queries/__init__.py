"""What pages and the API read: bounded queries over indices, whatever the registry's size."""
