"""Networks that find somas: what they are, what enters them, how they are stored, one pass."""
