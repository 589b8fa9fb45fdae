"""The set of files that a page of the data is drawn from: figures, their history, checks, and an index of them."""
