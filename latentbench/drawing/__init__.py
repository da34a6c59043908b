"""The pen: sheets of images, panels of numbers, animations. It knows nothing of results or latent spaces."""
