"""The owner's portal: servers from application to withdrawal, sponsors, the offender query."""
