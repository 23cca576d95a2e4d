"""Training one configuration on its folds: data, batches, trainer, checkpoints, baselines."""
