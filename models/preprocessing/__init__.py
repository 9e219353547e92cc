"""Scale, smooth and cut series into training windows; describe their seasons."""
