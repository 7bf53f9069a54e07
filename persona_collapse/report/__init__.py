"""The report page and the tables as a reader or a paper prints them."""
