"""Encoders without decoder, trained by views of an input or by labels."""
