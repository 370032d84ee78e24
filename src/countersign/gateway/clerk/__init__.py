"""One process beside the workers: letters to the administrator, upkeep, the courier, the pages."""
