"""What several metrics share: distances, features of images, subsets of rows, transport."""
