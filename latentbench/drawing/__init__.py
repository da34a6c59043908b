"""Drawing: sheets of images, panels of numbers, animations. It knows nothing about results or latent spaces."""
