"""Operations on a latent space, shared by metrics, figures, the page and users.

- `space`: `LatentSpace`, a fitted model and the data seen through it
- `parts`: `SpaceData` and `SpaceMaps`, the data and the maps that a `LatentSpace` consists of
- `class_names`: what classes and items are called, and which class a name asks for
- `arithmetic`: exact arithmetic, and functions applied in batches
- `paths`: lines, arcs and geodesics between codes, the neighbor graph, means, and interpolation by any of them
- `edits`: attributes, their directions in the codes, edits along them, and the images an edit should give
- `maps`: codes in two dimensions by PCA, t-SNE and UMAP; aligned, toured, and turned back into codes
- `transport`: optimal transport of images, of clouds of codes, and of signals
- `sampling`: draws from the prior, or from a density fitted to the codes
- `grids`: grids of codes and of places on a map
- `variations`: codes around that of one input
- `traversal`: one dimension of a code after the other
- `inversion`: codes fitted to inputs, for decoders without an encoder
- `meshes`: surfaces of decoded signed distances
- `descent`: many small minimizations side by side
"""
