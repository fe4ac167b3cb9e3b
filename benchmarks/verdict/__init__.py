"""The verdict tested as a classifier: cases whose truth is known, and what the verdict says of them."""
