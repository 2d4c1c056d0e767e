"""The command line: the grammar of every verb, the error boundary, exit codes and the console."""
