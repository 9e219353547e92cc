"""Run the trainer service: take requests, train better models, publish them."""
