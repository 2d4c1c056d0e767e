"""Reads the output of other tools into the gates' own models.  Pure: text in, values out; raises Missing and Malformed."""
