"""Where a result comes from: code and environment, what DVC and MLflow recorded, and the way back."""
