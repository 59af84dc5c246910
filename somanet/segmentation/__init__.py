"""Networks that find somas: building, training, storing and applying them."""
