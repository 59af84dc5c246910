"""How fast each inference engine is, how it is best called, and whether its labels match torch's."""
