"""Files: whole or not there, JSON, and where caches lie."""
