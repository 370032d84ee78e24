"""Real servers in known states, each tested from three networks: who passes, and who fails."""
