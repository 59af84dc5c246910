"""Networks that segment somas: architectures, inputs, checkpoints and the forward pass."""
