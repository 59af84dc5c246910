"""How touching objects are best told apart: one network with every kind of output, each read out by its own rule."""
