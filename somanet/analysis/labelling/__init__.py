"""Labels for a person to correct: crops of images and movies, proposals on them, and how far two labellings agree."""
