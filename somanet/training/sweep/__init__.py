"""Hyperparameter searches over a space declared in `params.yaml`: Optuna proposes, MLflow records."""
