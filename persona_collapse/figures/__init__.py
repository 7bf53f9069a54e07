"""Figures: each is one function of tables and an output stem, all in one style.

``style`` holds fonts, sizes, colours and files, ``look`` what a study's models and variants are
called and how they are painted, ``sheet`` a page measured in inches with texts that fit, ``tables``
how tables are read and numbers are written. Every other module draws one figure: ``draw_<name>``
returns it, ``<name>`` writes it as SVG, PDF and PNG.
"""
