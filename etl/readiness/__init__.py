"""Work lists out of a finished or rehearsed run: open points, company status, crosswalk, dates, clocks, activation."""
