"""The binary forms of micro-batches and records, and the parsing of observations."""
