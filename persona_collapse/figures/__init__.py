"""Figures: each is one function of tables and the study's look, which returns a matplotlib figure.

``catalogue`` lists them; to add one, write its function in the module of its family and its entry
there. ``style`` holds fonts, sizes, colours and files, ``look`` the names and colours of a study's
models and variants, ``sheet`` a page measured in inches with texts that fit, ``panels`` layouts of
many panels, ``marks`` written numbers, points with whiskers and ticks. Every other module draws one
family of figures.
"""
