"""A made-up day of a mail server's users, attacks with stolen passwords, and their replay."""
