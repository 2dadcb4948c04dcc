// An empty file: with it the compiler accepts a function that is only linked by name.
