"""One training: samples, losses, epochs, and the state from which it resumes."""
