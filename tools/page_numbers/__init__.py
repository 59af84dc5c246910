"""Numbers on pages, held against the files that made them and against each other: `python -m tools.page_numbers`.

`docs/numbers.yaml` lists quantities: the file a number comes from, and the places that state it. A place is the text
around the number, as that file explains. A number agrees if it is the value, rounded to the digits of the place.
"""
