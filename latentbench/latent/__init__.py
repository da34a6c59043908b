"""What one can do with a latent space; shared by metrics, figures, the page and users.

- `space`: `LatentSpace`, a fitted model and the data seen through it
- `paths`: lines, arcs and geodesics between codes
- `interpolation`: the way through several codes, and blends of them, under a chosen metric
- `graph`: the neighbor graph of codes
- `means`: weighted means on curved spaces
- `paths`: interpolation between codes
- `goals`, `attributes`, `edits`: what can be edited, which way it lies, and what an edit should give
- `sampling`: draws from the prior, or from a density fitted to the codes
- `grids`: grids of codes and of places on a map
- `variations`: codes around that of one input
- `projection`: maps to two dimensions
- `traversal`: one dimension of a code after the other
- `tour`: a round trip through the clusters of a map
- `inverse`: from a map back to codes
- `inversion`: codes fitted to inputs, for decoders without an encoder
- `meshes`: surfaces of decoded signed distances
- `attributes`, `edits`, `goals`: directions of attributes, chains of edits, and what they should give
- `transport`, `clouds`, `signals`: optimal transport of images, of codes, of signals and samples
"""
