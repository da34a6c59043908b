"""Files: read safely, written whole or not at all, JSON, and where caches lie."""
