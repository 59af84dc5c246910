"""How far each number can be trusted: whole analyses of simulated cells, scored against what is true of them."""
