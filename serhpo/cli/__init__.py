"""The command line: thin commands over the package, nothing that Python could not call too."""
