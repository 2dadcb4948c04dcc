// An empty file: with it the compiler accepts functions that are only linked by name.
