"""Store a trained model as a signed, checked artifact with its manifest, and fetch it."""
