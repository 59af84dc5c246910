"""ImageJ's selections (ROI): their files, the pixels inside them, and the outlines of label images as selections."""
