"""Cheaper networks that imitate the bundled one, and the bundled one in 8 bits, on one accuracy–speed front."""
