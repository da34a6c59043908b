"""What one can do with a latent space; shared by metrics, figures, the page and users.

- `space`: `LatentSpace`, a fitted model and the data seen through it
- `paths`: interpolation between codes
- `sampling`: draws from the prior, or from a density fitted to the codes
- `projection`: maps to two dimensions
"""
