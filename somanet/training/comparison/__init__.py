"""Networks compared on the same images: scores, paired differences, ranks and cost, as one artefact."""
