"""The engine that fits gradient models."""
