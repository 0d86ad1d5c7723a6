"""How many of the ranker's best the policies look at."""

# Whatever is asked for: a page is the beginning of a longer page.
POOL = 100
