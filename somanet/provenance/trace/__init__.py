"""From a table, figure, network or report back to the hashes of the data: what made it, and what has changed since."""
