"""Arrays that users give: checked once, in one place, for files, splits and latent spaces."""
