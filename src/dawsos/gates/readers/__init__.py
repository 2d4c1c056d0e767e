"""What foreign tools write, read into the gates' own models.  Pure: text in, values out; raises Missing and Malformed."""
