"""SomaNet, the paper's U-Net, classical methods and other programs on the same images in one session."""
