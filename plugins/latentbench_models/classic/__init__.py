"""Classic methods, fitted by scikit-learn."""
