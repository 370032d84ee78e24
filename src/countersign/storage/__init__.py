"""Tables that the processes of a host, or a farm of hosts, share."""
