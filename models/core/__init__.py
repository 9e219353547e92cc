"""Define the contracts that every detector and threshold keeps, and what they share: parameters, batching."""
