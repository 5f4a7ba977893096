"""Step 7: the report, for people and for machines, made from what the other steps left in the run's folder.

Nothing is imported here: letters need neither the report nor the libraries of its tables.
"""
