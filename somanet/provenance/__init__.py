"""Provenance of results: code and environment, the records of DVC and MLflow, and tracing them back."""
