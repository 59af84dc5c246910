"""How fast each engine answers, how it is best asked, and whether its labels are torch's."""
