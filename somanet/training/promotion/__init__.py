"""Which network is the champion: the rule, and the registry that remembers why."""
