"""The spine: words, places, first labels, and the way of the data."""
