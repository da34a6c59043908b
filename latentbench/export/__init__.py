"""Trained models for use outside a run: as programs of torch, and as scikit-learn transformers."""
