"""Write the HTML report of an evaluation."""
