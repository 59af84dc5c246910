"""From images to labels: networks applied, their probabilities made into somas, files in and files out."""
