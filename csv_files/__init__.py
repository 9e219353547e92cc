"""Read CSV files of observations: one reader for producing, training, predicting, evaluating and backtests."""
