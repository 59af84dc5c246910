"""Trace a table, figure, network or report back to the hashes of its data: what made it, and what changed since."""
