"""A trained model as a signed, checked artifact with its manifest, and how it is fetched."""
