"""The trainer service: requests in, better models out."""
