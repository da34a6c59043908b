"""Autoencoders whose codes are kept in order by a penalty, not by a posterior."""
