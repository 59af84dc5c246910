"""Which network is the champion: the rule, and its record in the registry."""
