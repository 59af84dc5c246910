"""How to separate touching objects best: one network with every kind of output, each with its own post-processing."""
