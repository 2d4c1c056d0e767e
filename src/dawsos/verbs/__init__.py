"""One verb of the command line a file.  A verb takes a context, returns a value and prints nothing."""
