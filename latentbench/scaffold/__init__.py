"""A new plugin as an installable package."""
