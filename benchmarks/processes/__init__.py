"""How right traced processes are, in two simulated worlds and by eye on the real movie."""
