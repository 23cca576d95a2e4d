"""serhpo: multi-objective hyperparameter search for joint speech-emotion models."""

__version__ = "0.1.0"
