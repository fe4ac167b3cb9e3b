"""How many clusters: criteria, evidence, occupied clusters."""
