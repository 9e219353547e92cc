"""Rebuild windows with LSTM autoencoders: the many-to-many form, EncDec-AD and the RepeatVector form."""
